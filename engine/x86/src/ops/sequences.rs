//! Sequences of ops that are done in one go. The most frequent ones, by the work that they save, of shells, awk, od and
//! hashes.

use super::{Code, Op};

/// Calls a macro with the table of sequences: the code that does the work of all, and the ops' own. Longer ones come
/// first, as the first that fits is taken.
macro_rules! sequence_table {
    ($then:ident) => {
        $then! {
            Load8RbAdd64RiStore8MiTest8RrJE = Load8Rb Add64Ri Store8Mi Test8RrJE;
            Mov64RrMov64RrLoadLow8Test8RrJE = Mov64Rr Mov64Rr LoadLow8 Test8RrJE;
            Load8RbCmp8RiLea64RbJESub8 = Load8Rb Cmp8Ri Lea64Rb JESub8;
            StoreX128AlignedStoreX128AlignedStoreX128AlignedStoreX128Aligned = StoreX128Aligned StoreX128Aligned StoreX128Aligned StoreX128Aligned;
            Sub64RiLoad64RmStore64BrMovWide = Sub64Ri Load64Rm Store64Br MovWide;
            Mov32RrMov32RrMov32RrMov32Rr = Mov32Rr Mov32Rr Mov32Rr Mov32Rr;
            Rol32RiRol32RiXor32RrMov32Rr = Rol32Ri Rol32Ri Xor32Rr Mov32Rr;
            Mov64RrMov64RrXor64RrCmp64RrJE = Mov64Rr Mov64Rr Xor64Rr Cmp64RrJE;
            Xor32RrAnd32RrXor32RrLea32Rm = Xor32Rr And32Rr Xor32Rr Lea32Rm;
            Add64RiFMov64RrPopRunRet = Add64RiF Mov64Rr PopRun Ret;
            Mov32RrAdd32RrMov32RrAdd32Rr = Mov32Rr Add32Rr Mov32Rr Add32Rr;
            Add32RmAdd32RmNot32Add64Ri = Add32Rm Add32Rm Not32 Add64Ri;
            Load64RbSub64MrFLea64RmStore64Br = Load64Rb Sub64MrF Lea64Rm Store64Br;
            PushRunLoad64RbPush64RLea64Rb = PushRun Load64Rb Push64R Lea64Rb;
            Rol32RiXor32RrXor32RrAdd32Rr = Rol32Ri Xor32Rr Xor32Rr Add32Rr;
            Rol32RiAdd32RrMov32RrShr32Ri = Rol32Ri Add32Rr Mov32Rr Shr32Ri;
            PushRunMov64RrPush64RMov32Rr = PushRun Mov64Rr Push64R Mov32Rr;
            Load64RbLoad64RmStore64BrMovWide = Load64Rb Load64Rm Store64Br MovWide;
            Push64RMov64RrPush64RMov64Rr = Push64R Mov64Rr Push64R Mov64Rr;
            Add64RiFMov32RrPopRunRet = Add64RiF Mov32Rr PopRun Ret;
            Xor32RrAdd32RrLoad8RbAdd32Rm = Xor32Rr Add32Rr Load8Rb Add32Rm;
            Load64RbSub64RmFJz64 = Load64Rb Sub64RmF Jz64;
            Add64RiFPopRunRet = Add64RiF PopRun Ret;
            MovWideLoadLow8Cmp8RmJE = MovWide LoadLow8 Cmp8RmJE;
            Add64RrAdd64RiCmp8MiJE = Add64Rr Add64Ri Cmp8MiJE;
            Load8RbMovWideCmp8MiJE = Load8Rb MovWide Cmp8MiJE;
            Rol32RiXor32RrMov32Rr = Rol32Ri Xor32Rr Mov32Rr;
            And32RrXor32RrMov32Rr = And32Rr Xor32Rr Mov32Rr;
            Load64RbShr64RiAdd64Ri = Load64Rb Shr64Ri Add64Ri;
            Load64RbLoad64RbStore64Br = Load64Rb Load64Rb Store64Br;
            PushRunMov64RrSub64Ri = PushRun Mov64Rr Sub64Ri;
            Add64RiFPop64RRet = Add64RiF Pop64R Ret;
            Push64RMov64RrCallFar = Push64R Mov64Rr CallFar;
            LoadLow8Lea32RmCmp8RiJBe = LoadLow8 Lea32Rm Cmp8RiJBe;
            Mov32RrRol32RiRol32Ri = Mov32Rr Rol32Ri Rol32Ri;
            Add32RrMov32RrAnd32Rr = Add32Rr Mov32Rr And32Rr;
            Xor32RrAdd32RmAdd32Rm = Xor32Rr Add32Rm Add32Rm;
            Rol32RiAdd32RrCmp64RrJE = Rol32Ri Add32Rr Cmp64RrJE;
            Mov64RrPop64RRet = Mov64Rr Pop64R Ret;
            LoadSx32To64RmAdd64RrFJmpReg = LoadSx32To64Rm Add64RrF JmpReg;
            ExtractHighOr8RiFInsertHigh = ExtractHigh Or8RiF InsertHigh;
            Load64RbLoad64RbMovWide = Load64Rb Load64Rb MovWide;
            Load64RbLoad64RbLea64Rb = Load64Rb Load64Rb Lea64Rb;
            Xor32RrLoad32RbAdd32Rm = Xor32Rr Load32Rb Add32Rm;
            Mov32RrMov32RrShr32Ri = Mov32Rr Mov32Rr Shr32Ri;
            Load32RbLoad32RbAdd64Ri = Load32Rb Load32Rb Add64Ri;
            Xor32RrAnd32RrAdd32Rm = Xor32Rr And32Rr Add32Rm;
            Load64RbStore64BrTest64RrJE = Load64Rb Store64Br Test64RrJE;
            Store64MiLoadForWrite32RmStore32Br = Store64Mi LoadForWrite32Rm Store32Br;
            Push64RMov64RrLoad32Rb = Push64R Mov64Rr Load32Rb;
            Push64RMov64RrCall = Push64R Mov64Rr Call;
            Load64RmStore64BrMovWide = Load64Rm Store64Br MovWide;
            Mov64RrPopRunRet = Mov64Rr PopRun Ret;
            Add64RiCmp8MiJE = Add64Ri Cmp8MiJE;
            Mov64RrMov64Rr = Mov64Rr Mov64Rr;
            Load64RbStore64Br = Load64Rb Store64Br;
            Push64RMov64Rr = Push64R Mov64Rr;
            Mov64RrCallFar = Mov64Rr CallFar;
            Load64RbJmpReg = Load64Rb JmpReg;
            Add64RiTest8RrJE = Add64Ri Test8RrJE;
            Pop64RRet = Pop64R Ret;
            Load64RbTest64RrJE = Load64Rb Test64RrJE;
            Add32RiCmp8MiJE = Add32Ri Cmp8MiJE;
            Load64RbLoad64Rb = Load64Rb Load64Rb;
            LoadLow8Cmp8RmJE = LoadLow8 Cmp8RmJE;
            Load32RbAnd32Ri = Load32Rb And32Ri;
            Load64RbCallFar = Load64Rb CallFar;
            Mov32RrAnd32Ri = Mov32Rr And32Ri;
            PushRunMov64Rr = PushRun Mov64Rr;
            Load64RbMovWide = Load64Rb MovWide;
            Load64RmStore64Br = Load64Rm Store64Br;
            Add32RrMov32Rr = Add32Rr Mov32Rr;
            Store64BrStore64Br = Store64Br Store64Br;
            Load8RbTest8RrJE = Load8Rb Test8RrJE;
            PopRunRet = PopRun Ret;
            Lea32RmCmp8RiJBe = Lea32Rm Cmp8RiJBe;
            Load32RbLoad32Rb = Load32Rb Load32Rb;
            Mov64RrTest64RrJE = Mov64Rr Test64RrJE;
            Set8Mov8Rr = Set8 Mov8Rr;
            LoadLow8Test8RrJE = LoadLow8 Test8RrJE;
            Load64RbLoad32Rb = Load64Rb Load32Rb;
            MovWideMovWide = MovWide MovWide;
            Push64RSub64Ri = Push64R Sub64Ri;
            Xor32RrLea32Rm = Xor32Rr Lea32Rm;
            Load8RbCmp8Ri = Load8Rb Cmp8Ri;
            Store64BrLea64Rb = Store64Br Lea64Rb;
            Push64RLea64Rb = Push64R Lea64Rb;
            Store64BrCallFar = Store64Br CallFar;
            PushRunMov32Rr = PushRun Mov32Rr;
            PushRunSub64Ri = PushRun Sub64Ri;
            Store32BrJcc = Store32Br Jcc;
            Mov32RrMov32Rr = Mov32Rr Mov32Rr;
            Push64RMov32Rr = Push64R Mov32Rr;
            Mov64RrLoad64Rb = Mov64Rr Load64Rb;
            Mov64RrLea64Rb = Mov64Rr Lea64Rb;
            And32RiFJz32 = And32RiF Jz32;
            Mov32RrTest32RrJE = Mov32Rr Test32RrJE;
            Shr64RiXor64Rm = Shr64Ri Xor64Rm;
            Store64MrStore16Mr = Store64Mr Store16Mr;
            Xor32RrFCallFar = Xor32RrF CallFar;
            Store64BrStore32Br = Store64Br Store32Br;
            Lea64RbShr64Ri = Lea64Rb Shr64Ri;
            Load64RmTest64RrJE = Load64Rm Test64RrJE;
            Store32BrXor32RrF = Store32Br Xor32RrF;
            Xor32RrAdd32Rr = Xor32Rr Add32Rr;
            MovWideLea64Rm = MovWide Lea64Rm;
            And64RiCmp64MrJB = And64Ri Cmp64MrJB;
            Load64RbCmp64MrJB = Load64Rb Cmp64MrJB;
            Add64RrStore64Br = Add64Rr Store64Br;
            Xor32RrFMov64Rr = Xor32RrF Mov64Rr;
            Load64RmLoad64Rb = Load64Rm Load64Rb;
            Load64RbLea64Rb = Load64Rb Lea64Rb;
            Cmov64Ret = Cmov64 Ret;
            Mov64RrSub64Ri = Mov64Rr Sub64Ri;
            Store32MiStore32Mi = Store32Mi Store32Mi;
            Mov32RrMov64Rr = Mov32Rr Mov64Rr;
            Lea64RbLoad64Rm = Lea64Rb Load64Rm;
            Xor64RmRol64Ri = Xor64Rm Rol64Ri;
            Mov64RrStore64Br = Mov64Rr Store64Br;
            Mov32RrCmp32RiJLe = Mov32Rr Cmp32RiJLe;
            Mov64RrAnd64Ri = Mov64Rr And64Ri;
            MovWideLoad64Rb = MovWide Load64Rb;
            PopRunJmpFar = PopRun JmpFar;
            Load8RbLea64Rb = Load8Rb Lea64Rb;
            Lea64RmRet = Lea64Rm Ret;
            Mov64RrCall = Mov64Rr Call;
            And32RiFStore32Br = And32RiF Store32Br;
            Store32BrCmp64RrJE = Store32Br Cmp64RrJE;
            MovWideCallFar = MovWide CallFar;
            Movzx8RrAdd64Rr = Movzx8Rr Add64Rr;
            Add32RrLoad8Rb = Add32Rr Load8Rb;
            Load8RbRol32Ri = Load8Rb Rol32Ri;
            Load32RbAdd32Rm = Load32Rb Add32Rm;
            Load64RbCmp64RrJE = Load64Rb Cmp64RrJE;
            MovWideLoad8Rm = MovWide Load8Rm;
            Xor32RrAnd32Rr = Xor32Rr And32Rr;
            Load8RbAdd64Ri = Load8Rb Add64Ri;
        }
    };
}
pub(crate) use sequence_table;

/// The most ops in a sequence.
const LONGEST: usize = 4;

macro_rules! sequences {
    ($($name:ident = $($code:ident)+;)*) => {
        /// The code that does the work of the first so many of these ops. It replaces the first one's; what else they
        /// are stays, so that each of the others can be gone on from.
        pub fn sequence(ops: &[Op]) -> Option<(Code, usize)> {
            let codes: [Code; LONGEST] =
                std::array::from_fn(|n| ops.get(n).map_or(Code::Refetch, |op| op.code));
            match codes {
                $([$(Code::$code,)+ ..] => Some((Code::$name, [$(Code::$code),+].len())),)*
                _ => None,
            }
        }

        impl Code {
            /// The code of the first op of a sequence; others are their own.
            pub fn first(self) -> Code {
                match self {
                    $(Code::$name => [$(Code::$code),+][0],)*
                    other => other,
                }
            }
        }
    };
}

sequence_table!(sequences);
