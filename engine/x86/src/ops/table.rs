//! All ops: those of the interpreter's loop with what they are, sequences of them, and helpers.

use super::sequences::sequence_table;
use super::{Flags, Form, Info, Kind, Size};

macro_rules! ops {
    ($($name:ident = $kind:ident, $size:ident, $form:ident, $flags:ident;)* ; sequences: $($sequence:ident)*; helpers: $($helper:ident)*) => {
        /// The code of a micro-op. Those up to `FIRST_HELPER` are arms of the interpreter's loop.
        #[repr(u16)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($name,)* $($sequence,)* $($helper,)* }

        /// One row per code, in their order.
        pub const TABLE: &[Info] = &[
            $(Info {
                code: Code::$name, kind: Kind::$kind, size: Size::$size, form: Form::$form,
                flags: Flags::$flags,
            },)*
            $(Info {
                code: Code::$sequence, kind: Kind::Sequence, size: Size::B64, form: Form::I, flags: Flags::None,
            },)*
            $(Info {
                code: Code::$helper, kind: Kind::Helper, size: Size::B64, form: Form::I,
                flags: Flags::All,
            },)*
        ];
    };
}

macro_rules! table {
    ($($sequence:ident = $($code:ident)+;)*) => {
        ops! {
            Mov8Rr = Mov, B8, Rr, None;
            Mov16Rr = Mov, B16, Rr, None;
            Mov32Rr = Mov, B32, Rr, None;
            Mov64Rr = Mov, B64, Rr, None;
            Mov8Ri = Mov, B8, Ri, None;
            Mov16Ri = Mov, B16, Ri, None;
            MovWide = MovWide, B64, Ri, None;
            Movzx8Rr = Movzx, B8, Rr, None;
            Movzx16Rr = Movzx, B16, Rr, None;
            Movsx8To32Rr = Movsx32, B8, Rr, None;
            Movsx16To32Rr = Movsx32, B16, Rr, None;
            Movsx8To64Rr = Movsx64, B8, Rr, None;
            Movsx16To64Rr = Movsx64, B16, Rr, None;
            Movsx32To64Rr = Movsx64, B32, Rr, None;
            Load8Rb = Load, B8, Rb, None;
            Load8Rm = Load, B8, Rm, None;
            Load16Rm = Load, B16, Rm, None;
            Load32Rb = Load, B32, Rb, None;
            Load32Rm = Load, B32, Rm, None;
            Load32Ra = Load, B32, Ra, None;
            Load64Rb = Load, B64, Rb, None;
            Load64Rm = Load, B64, Rm, None;
            Load64Ra = Load, B64, Ra, None;
            LoadSx8To32Rm = LoadSx32, B8, Rm, None;
            LoadSx16To32Rm = LoadSx32, B16, Rm, None;
            LoadSx8To64Rm = LoadSx64, B8, Rm, None;
            LoadSx16To64Rm = LoadSx64, B16, Rm, None;
            LoadSx32To64Rm = LoadSx64, B32, Rm, None;
            LoadForWrite8Rm = LoadForWrite, B8, Rm, None;
            LoadForWrite16Rm = LoadForWrite, B16, Rm, None;
            LoadForWrite32Rm = LoadForWrite, B32, Rm, None;
            LoadForWrite64Rm = LoadForWrite, B64, Rm, None;
            Store8Br = Store, B8, Br, None;
            Store8Mr = Store, B8, Mr, None;
            Store16Mr = Store, B16, Mr, None;
            Store32Br = Store, B32, Br, None;
            Store32Mr = Store, B32, Mr, None;
            Store32Ar = Store, B32, Ar, None;
            Store64Br = Store, B64, Br, None;
            Store64Mr = Store, B64, Mr, None;
            Store64Ar = Store, B64, Ar, None;
            Store8Mi = Store, B8, Mi, None;
            Store16Mi = Store, B16, Mi, None;
            Store32Mi = Store, B32, Mi, None;
            Store64Mi = Store, B64, Mi, None;
            Lea64Rb = Lea, B64, Rb, None;
            Lea64Rm = Lea, B64, Rm, None;
            Lea32Rm = Lea, B32, Rm, None;
            ExtractHigh = ExtractHigh, B8, Rr, None;
            InsertHigh = InsertHigh, B8, Rr, None;
            Push64R = Push, B64, R, None;
            Push64I = Push, B64, Ri, None;
            Pop64R = Pop, B64, R, None;
            PushRun = PushRun, B64, Rr, None;
            PopRun = PopRun, B64, Rr, None;
            Add32Rr = Add, B32, Rr, None;
            Add32RrF = Add, B32, Rr, All;
            Add32Ri = Add, B32, Ri, None;
            Add32RiF = Add, B32, Ri, All;
            Add32Rm = Add, B32, Rm, None;
            Add32RmF = Add, B32, Rm, All;
            Add32MrF = Add, B32, Mr, All;
            Add32MiF = Add, B32, Mi, All;
            Add64Rr = Add, B64, Rr, None;
            Add64RrF = Add, B64, Rr, All;
            Add64Ri = Add, B64, Ri, None;
            Add64RiF = Add, B64, Ri, All;
            Add64Rm = Add, B64, Rm, None;
            Add64RmF = Add, B64, Rm, All;
            Add64MrF = Add, B64, Mr, All;
            Add64MiF = Add, B64, Mi, All;
            Add8RrF = Add, B8, Rr, All;
            Add8RiF = Add, B8, Ri, All;
            Add16RrF = Add, B16, Rr, All;
            Add16RiF = Add, B16, Ri, All;
            Sub32Rr = Sub, B32, Rr, None;
            Sub32RrF = Sub, B32, Rr, All;
            Sub32Ri = Sub, B32, Ri, None;
            Sub32RiF = Sub, B32, Ri, All;
            Sub32Rm = Sub, B32, Rm, None;
            Sub32RmF = Sub, B32, Rm, All;
            Sub32MrF = Sub, B32, Mr, All;
            Sub32MiF = Sub, B32, Mi, All;
            Sub64Rr = Sub, B64, Rr, None;
            Sub64RrF = Sub, B64, Rr, All;
            Sub64Ri = Sub, B64, Ri, None;
            Sub64RiF = Sub, B64, Ri, All;
            Sub64Rm = Sub, B64, Rm, None;
            Sub64RmF = Sub, B64, Rm, All;
            Sub64MrF = Sub, B64, Mr, All;
            Sub64MiF = Sub, B64, Mi, All;
            Sub8RrF = Sub, B8, Rr, All;
            Sub8RiF = Sub, B8, Ri, All;
            Sub16RrF = Sub, B16, Rr, All;
            Sub16RiF = Sub, B16, Ri, All;
            And32Rr = And, B32, Rr, None;
            And32RrF = And, B32, Rr, All;
            And32Ri = And, B32, Ri, None;
            And32RiF = And, B32, Ri, All;
            And32Rm = And, B32, Rm, None;
            And32RmF = And, B32, Rm, All;
            And32MrF = And, B32, Mr, All;
            And32MiF = And, B32, Mi, All;
            And64Rr = And, B64, Rr, None;
            And64RrF = And, B64, Rr, All;
            And64Ri = And, B64, Ri, None;
            And64RiF = And, B64, Ri, All;
            And64Rm = And, B64, Rm, None;
            And64RmF = And, B64, Rm, All;
            And64MrF = And, B64, Mr, All;
            And64MiF = And, B64, Mi, All;
            And8RrF = And, B8, Rr, All;
            And8RiF = And, B8, Ri, All;
            And16RrF = And, B16, Rr, All;
            And16RiF = And, B16, Ri, All;
            Or32Rr = Or, B32, Rr, None;
            Or32RrF = Or, B32, Rr, All;
            Or32Ri = Or, B32, Ri, None;
            Or32RiF = Or, B32, Ri, All;
            Or32Rm = Or, B32, Rm, None;
            Or32RmF = Or, B32, Rm, All;
            Or32MrF = Or, B32, Mr, All;
            Or32MiF = Or, B32, Mi, All;
            Or64Rr = Or, B64, Rr, None;
            Or64RrF = Or, B64, Rr, All;
            Or64Ri = Or, B64, Ri, None;
            Or64RiF = Or, B64, Ri, All;
            Or64Rm = Or, B64, Rm, None;
            Or64RmF = Or, B64, Rm, All;
            Or64MrF = Or, B64, Mr, All;
            Or64MiF = Or, B64, Mi, All;
            Or8RrF = Or, B8, Rr, All;
            Or8RiF = Or, B8, Ri, All;
            Or16RrF = Or, B16, Rr, All;
            Or16RiF = Or, B16, Ri, All;
            Xor32Rr = Xor, B32, Rr, None;
            Xor32RrF = Xor, B32, Rr, All;
            Xor32Ri = Xor, B32, Ri, None;
            Xor32RiF = Xor, B32, Ri, All;
            Xor32Rm = Xor, B32, Rm, None;
            Xor32RmF = Xor, B32, Rm, All;
            Xor32MrF = Xor, B32, Mr, All;
            Xor32MiF = Xor, B32, Mi, All;
            Xor64Rr = Xor, B64, Rr, None;
            Xor64RrF = Xor, B64, Rr, All;
            Xor64Ri = Xor, B64, Ri, None;
            Xor64RiF = Xor, B64, Ri, All;
            Xor64Rm = Xor, B64, Rm, None;
            Xor64RmF = Xor, B64, Rm, All;
            Xor64MrF = Xor, B64, Mr, All;
            Xor64MiF = Xor, B64, Mi, All;
            Xor8RrF = Xor, B8, Rr, All;
            Xor8RiF = Xor, B8, Ri, All;
            Xor16RrF = Xor, B16, Rr, All;
            Xor16RiF = Xor, B16, Ri, All;
            Cmp8Rr = Cmp, B8, Rr, All;
            Cmp8Ri = Cmp, B8, Ri, All;
            Test8Rr = Test, B8, Rr, All;
            Test8Ri = Test, B8, Ri, All;
            Cmp16Rr = Cmp, B16, Rr, All;
            Cmp16Ri = Cmp, B16, Ri, All;
            Test16Rr = Test, B16, Rr, All;
            Test16Ri = Test, B16, Ri, All;
            Cmp32Rr = Cmp, B32, Rr, All;
            Cmp32Ri = Cmp, B32, Ri, All;
            Test32Rr = Test, B32, Rr, All;
            Test32Ri = Test, B32, Ri, All;
            Cmp64Rr = Cmp, B64, Rr, All;
            Cmp64Ri = Cmp, B64, Ri, All;
            Test64Rr = Test, B64, Rr, All;
            Test64Ri = Test, B64, Ri, All;
            Shl32Ri = Shl, B32, Ri, None;
            Shl32RiF = Shl, B32, Ri, All;
            Shl32Cl = Shl, B32, Rr, None;
            Shr32Ri = Shr, B32, Ri, None;
            Shr32RiF = Shr, B32, Ri, All;
            Shr32Cl = Shr, B32, Rr, None;
            Sar32Ri = Sar, B32, Ri, None;
            Sar32RiF = Sar, B32, Ri, All;
            Sar32Cl = Sar, B32, Rr, None;
            Rol32Ri = Rol, B32, Ri, None;
            Imul32Rr = Imul, B32, Rr, None;
            Imul32Rri = Imul, B32, Rri, None;
            Neg32 = Neg, B32, R, All;
            Not32 = Not, B32, R, None;
            Bswap32 = Bswap, B32, R, None;
            Cmov32 = Cmov, B32, Rr, None;
            SignDx32 = SignDx, B32, R, None;
            Shl64Ri = Shl, B64, Ri, None;
            Shl64RiF = Shl, B64, Ri, All;
            Shl64Cl = Shl, B64, Rr, None;
            Shr64Ri = Shr, B64, Ri, None;
            Shr64RiF = Shr, B64, Ri, All;
            Shr64Cl = Shr, B64, Rr, None;
            Sar64Ri = Sar, B64, Ri, None;
            Sar64RiF = Sar, B64, Ri, All;
            Sar64Cl = Sar, B64, Rr, None;
            Rol64Ri = Rol, B64, Ri, None;
            Imul64Rr = Imul, B64, Rr, None;
            Imul64Rri = Imul, B64, Rri, None;
            Neg64 = Neg, B64, R, All;
            Not64 = Not, B64, R, None;
            Bswap64 = Bswap, B64, R, None;
            Cmov64 = Cmov, B64, Rr, None;
            SignDx64 = SignDx, B64, R, None;
            Set8 = Set, B8, R, None;
            Cmp8RrJE = CmpJE, B8, Rr, All;
            Cmp8RiJE = CmpJE, B8, Ri, All;
            Cmp8RmJE = CmpJE, B8, Rm, All;
            Cmp8MrJE = CmpJE, B8, Mr, All;
            Cmp8MiJE = CmpJE, B8, Mi, All;
            Cmp8RrJB = CmpJB, B8, Rr, All;
            Cmp8RiJB = CmpJB, B8, Ri, All;
            Cmp8RmJB = CmpJB, B8, Rm, All;
            Cmp8MrJB = CmpJB, B8, Mr, All;
            Cmp8MiJB = CmpJB, B8, Mi, All;
            Cmp8RrJBe = CmpJBe, B8, Rr, All;
            Cmp8RiJBe = CmpJBe, B8, Ri, All;
            Cmp8RmJBe = CmpJBe, B8, Rm, All;
            Cmp8MrJBe = CmpJBe, B8, Mr, All;
            Cmp8MiJBe = CmpJBe, B8, Mi, All;
            Cmp8RrJL = CmpJL, B8, Rr, All;
            Cmp8RiJL = CmpJL, B8, Ri, All;
            Cmp8RmJL = CmpJL, B8, Rm, All;
            Cmp8MrJL = CmpJL, B8, Mr, All;
            Cmp8MiJL = CmpJL, B8, Mi, All;
            Cmp8RrJLe = CmpJLe, B8, Rr, All;
            Cmp8RiJLe = CmpJLe, B8, Ri, All;
            Cmp8RmJLe = CmpJLe, B8, Rm, All;
            Cmp8MrJLe = CmpJLe, B8, Mr, All;
            Cmp8MiJLe = CmpJLe, B8, Mi, All;
            Test8RrJE = TestJE, B8, Rr, All;
            Test8RiJE = TestJE, B8, Ri, All;
            Test8MiJE = TestJE, B8, Mi, All;
            Test8RrJS = TestJS, B8, Rr, All;
            Test8RiJS = TestJS, B8, Ri, All;
            Test8MiJS = TestJS, B8, Mi, All;
            Test8RrJLe = TestJLe, B8, Rr, All;
            Test8RiJLe = TestJLe, B8, Ri, All;
            Test8MiJLe = TestJLe, B8, Mi, All;
            Cmp32RrJE = CmpJE, B32, Rr, All;
            Cmp32RiJE = CmpJE, B32, Ri, All;
            Cmp32RmJE = CmpJE, B32, Rm, All;
            Cmp32MrJE = CmpJE, B32, Mr, All;
            Cmp32MiJE = CmpJE, B32, Mi, All;
            Cmp32RrJB = CmpJB, B32, Rr, All;
            Cmp32RiJB = CmpJB, B32, Ri, All;
            Cmp32RmJB = CmpJB, B32, Rm, All;
            Cmp32MrJB = CmpJB, B32, Mr, All;
            Cmp32MiJB = CmpJB, B32, Mi, All;
            Cmp32RrJBe = CmpJBe, B32, Rr, All;
            Cmp32RiJBe = CmpJBe, B32, Ri, All;
            Cmp32RmJBe = CmpJBe, B32, Rm, All;
            Cmp32MrJBe = CmpJBe, B32, Mr, All;
            Cmp32MiJBe = CmpJBe, B32, Mi, All;
            Cmp32RrJL = CmpJL, B32, Rr, All;
            Cmp32RiJL = CmpJL, B32, Ri, All;
            Cmp32RmJL = CmpJL, B32, Rm, All;
            Cmp32MrJL = CmpJL, B32, Mr, All;
            Cmp32MiJL = CmpJL, B32, Mi, All;
            Cmp32RrJLe = CmpJLe, B32, Rr, All;
            Cmp32RiJLe = CmpJLe, B32, Ri, All;
            Cmp32RmJLe = CmpJLe, B32, Rm, All;
            Cmp32MrJLe = CmpJLe, B32, Mr, All;
            Cmp32MiJLe = CmpJLe, B32, Mi, All;
            Test32RrJE = TestJE, B32, Rr, All;
            Test32RiJE = TestJE, B32, Ri, All;
            Test32MiJE = TestJE, B32, Mi, All;
            Test32RrJS = TestJS, B32, Rr, All;
            Test32RiJS = TestJS, B32, Ri, All;
            Test32MiJS = TestJS, B32, Mi, All;
            Test32RrJLe = TestJLe, B32, Rr, All;
            Test32RiJLe = TestJLe, B32, Ri, All;
            Test32MiJLe = TestJLe, B32, Mi, All;
            Cmp64RrJE = CmpJE, B64, Rr, All;
            Cmp64RiJE = CmpJE, B64, Ri, All;
            Cmp64RmJE = CmpJE, B64, Rm, All;
            Cmp64MrJE = CmpJE, B64, Mr, All;
            Cmp64MiJE = CmpJE, B64, Mi, All;
            Cmp64RrJB = CmpJB, B64, Rr, All;
            Cmp64RiJB = CmpJB, B64, Ri, All;
            Cmp64RmJB = CmpJB, B64, Rm, All;
            Cmp64MrJB = CmpJB, B64, Mr, All;
            Cmp64MiJB = CmpJB, B64, Mi, All;
            Cmp64RrJBe = CmpJBe, B64, Rr, All;
            Cmp64RiJBe = CmpJBe, B64, Ri, All;
            Cmp64RmJBe = CmpJBe, B64, Rm, All;
            Cmp64MrJBe = CmpJBe, B64, Mr, All;
            Cmp64MiJBe = CmpJBe, B64, Mi, All;
            Cmp64RrJL = CmpJL, B64, Rr, All;
            Cmp64RiJL = CmpJL, B64, Ri, All;
            Cmp64RmJL = CmpJL, B64, Rm, All;
            Cmp64MrJL = CmpJL, B64, Mr, All;
            Cmp64MiJL = CmpJL, B64, Mi, All;
            Cmp64RrJLe = CmpJLe, B64, Rr, All;
            Cmp64RiJLe = CmpJLe, B64, Ri, All;
            Cmp64RmJLe = CmpJLe, B64, Rm, All;
            Cmp64MrJLe = CmpJLe, B64, Mr, All;
            Cmp64MiJLe = CmpJLe, B64, Mi, All;
            Test64RrJE = TestJE, B64, Rr, All;
            Test64RiJE = TestJE, B64, Ri, All;
            Test64MiJE = TestJE, B64, Mi, All;
            Test64RrJS = TestJS, B64, Rr, All;
            Test64RiJS = TestJS, B64, Ri, All;
            Test64MiJS = TestJS, B64, Mi, All;
            Test64RrJLe = TestJLe, B64, Rr, All;
            Test64RiJLe = TestJLe, B64, Ri, All;
            Test64MiJLe = TestJLe, B64, Mi, All;
            Jz32 = Jz, B32, R, None;
            Js32 = Js, B32, R, None;
            Jz64 = Jz, B64, R, None;
            Js64 = Js, B64, R, None;
            Jcc = Jcc, B64, I, None;
            Jmp = Jmp, B64, I, None;
            LoadLow8 = LoadLow, B8, Rm, None;
            LoadLow16 = LoadLow, B16, Rm, None;
            LoadX64 = LoadX, B64, Rm, None;
            LoadX128 = LoadX, B64, Rm, None;
            LoadX128Aligned = LoadX, B64, Rm, None;
            StoreX64 = StoreX, B64, Mr, None;
            StoreX128 = StoreX, B64, Mr, None;
            StoreX128Aligned = StoreX, B64, Mr, None;
            MovXX = MovX, B64, Rr, None;
            JESub8 = JSubE, B8, I, None;
            JBSub8 = JSubB, B8, I, None;
            JBeSub8 = JSubBe, B8, I, None;
            JLSub8 = JSubL, B8, I, None;
            JLeSub8 = JSubLe, B8, I, None;
            JERes8 = JResE, B8, I, None;
            JSRes8 = JResS, B8, I, None;
            JLeRes8 = JResLe, B8, I, None;
            JESub16 = JSubE, B16, I, None;
            JBSub16 = JSubB, B16, I, None;
            JBeSub16 = JSubBe, B16, I, None;
            JLSub16 = JSubL, B16, I, None;
            JLeSub16 = JSubLe, B16, I, None;
            JERes16 = JResE, B16, I, None;
            JSRes16 = JResS, B16, I, None;
            JLeRes16 = JResLe, B16, I, None;
            JESub32 = JSubE, B32, I, None;
            JBSub32 = JSubB, B32, I, None;
            JBeSub32 = JSubBe, B32, I, None;
            JLSub32 = JSubL, B32, I, None;
            JLeSub32 = JSubLe, B32, I, None;
            JERes32 = JResE, B32, I, None;
            JSRes32 = JResS, B32, I, None;
            JLeRes32 = JResLe, B32, I, None;
            JESub64 = JSubE, B64, I, None;
            JBSub64 = JSubB, B64, I, None;
            JBeSub64 = JSubBe, B64, I, None;
            JLSub64 = JSubL, B64, I, None;
            JLeSub64 = JSubLe, B64, I, None;
            JERes64 = JResE, B64, I, None;
            JSRes64 = JResS, B64, I, None;
            JLeRes64 = JResLe, B64, I, None;
            Xorp = X, B64, Rr, None;
            Andp = X, B64, Rr, None;
            Orp = X, B64, Rr, None;
            Pcmpeqb = X, B64, Rr, None;
            Pminub = X, B64, Rr, None;
            Psubb = X, B64, Rr, None;
            Pmovmskb = X, B64, Rr, None;
            MovdXr = X, B64, Rr, None;
            MovqXr = X, B64, Rr, None;
            MovqRx = X, B64, Rr, None;
            Punpcklbw = X, B64, Rr, None;
            Punpcklwd = X, B64, Rr, None;
            Punpcklqdq = X, B64, Rr, None;
            JmpFar = Leave, B64, I, None;
            JmpReg = Leave, B64, R, None;
            JmpMem = Leave, B64, Ra, None;
            Call = Leave, B64, I, None;
            CallFar = Leave, B64, I, None;
            CallReg = Leave, B64, R, None;
            Ret = Leave, B64, I, None;
            RetN = Leave, B64, Ri, None;
            Syscall = Leave, B64, I, None;
            Raise = Leave, B64, I, None;
            Refetch = Leave, B64, I, None;
            ;
            sequences: $($sequence)*;
            helpers:
            AdcR AdcI SbbR SbbI IncKeep DecKeep ShiftShl ShiftShr ShiftSar ShiftRol
            ShiftRor ShiftRcl ShiftRcr Shld Shrd Mul ImulWide Div Idiv ImulR
            ImulI Xchg Xadd Cmpxchg Cmpxchg8b Cmpxchg16b Bt Bts Btr Btc
            BitAddress Bsf Bsr Tzcnt Lzcnt Popcnt Lahf Sahf GetFlags SetFlags
            Clc Stc Cmc Cld Std Cpuid Rdtsc Rdtscp Xgetbv Rdpid
            Enter Push16 Pop16 Movbe Crc32 Movs Stos Lods Scas Cmps
            LoadX32 StoreX32 LoadXHigh StoreXHigh
            MovXLow32 MovXLow64 MovqXX Movlhps Movhlps MovdRx     Movmskps Movmskpd Maskmovdqu Ldmxcsr Stmxcsr Fxsave Fxrstor Cvtsi2sd Cvtsi2ss
            Cvttsd2si Cvtsd2si Cvttss2si Cvtss2si Cvtsd2ss Cvtss2sd Cvtdq2ps Cvtps2dq Cvttps2dq Cvtdq2pd
            Cvtpd2dq Cvttpd2dq Cvtps2pd Cvtpd2ps Addsd Subsd Mulsd Divsd Minsd Maxsd
            Sqrtsd Addss Subss Mulss Divss Minss Maxss Sqrtss Addpd Subpd
            Mulpd Divpd Minpd Maxpd Sqrtpd Addps Subps Mulps Divps Minps
            Maxps Sqrtps Cmpsd Cmpss Cmppd Cmpps Ucomisd Comisd Ucomiss Comiss
            Rcpss Rsqrtss Rcpps Rsqrtps Andnp Unpcklps Unpckhps
            Unpcklpd Unpckhpd Shufps Shufpd Paddb Paddw Paddd Paddq Paddsb Paddsw
            Paddusb Paddusw Psubw Psubd Psubq Psubsb Psubsw Psubusb Psubusw
            Pmullw Pmulhw Pmulhuw Pmuludq Pmaddwd Psadbw Pavgb Pavgw Pmaxub
            Pminsw Pmaxsw Pcmpeqw Pcmpeqd Pcmpgtb Pcmpgtw Pcmpgtd Packsswb Packssdw
            Packuswb Punpckldq Punpckhbw Punpckhwd Punpckhdq Punpckhqdq Pshufd
            Pshuflw Pshufhw Pinsrw Pextrw Psllw Pslld Psllq Psrlw Psrld Psrlq
            Psraw Psrad Pslldq Psrldq Fld32 Fld64 Fld80 FldSt Fild16 Fild32
            Fild64 Fst32 Fst64 Fst80 FstSt Fist16 Fist32 Fist64 Fisttp16 Fisttp32
            Fisttp64 Fbld Fbstp FldConst FarithSt FarithSt0 FarithM32 FarithM64 FarithI16 FarithI32
            Fcom FcomM32 FcomM64 FcomI16 FcomI32 Fcomi Fcompp Ftst Fxam Fxch
            Ffree Fincstp Fdecstp Fchs Fabs Fsqrt Frndint Fscale Fxtract Fprem
            Fprem1 Fsin Fcos Fsincos Fptan Fpatan F2xm1 Fyl2x Fyl2xp1 Fcmov
            Fnstcw Fldcw Fnstsw FnstswAx Fnclex Fninit Fnstenv Fldenv Fnsave Frstor
            Fwait
        }
    };
}

sequence_table!(table);
