//! Sequences of ops that are done in one go. The most frequent ones, by the work that they save, of shells, awk, od and
//! hashes.

use super::{Code, Op};

/// Calls a macro with the table of sequences: the code that does the work of all, and the ops' own. Longer ones come
/// first, as the first that fits is taken.
macro_rules! sequence_table {
    ($then:ident) => {
        $then! {
            Load64RbShr64RiAdd64RiMov64RrMov64RrXor64Rr = Load64Rb Shr64Ri Add64Ri Mov64Rr Mov64Rr Xor64Rr;
            Push64RMov64RrSub64RiLoad64RmStore64BrMovWide = Push64R Mov64Rr Sub64Ri Load64Rm Store64Br MovWide;
            XorpMov64RrStoreX128AlignedStoreX128AlignedStoreX128AlignedStoreX128Aligned = Xorp Mov64Rr StoreX128Aligned StoreX128Aligned StoreX128Aligned StoreX128Aligned;
            Mov32RrRol32RiRol32RiAnd32RrXor32RrMov32Rr = Mov32Rr Rol32Ri Rol32Ri And32Rr Xor32Rr Mov32Rr;
            Load64RbSub64MrFLea64RmStore64BrPopRunRet = Load64Rb Sub64MrF Lea64Rm Store64Br PopRun Ret;
            PushRunLoad64RbPush64RLea64RbAnd64RiCmp64MrJB = PushRun Load64Rb Push64R Lea64Rb And64Ri Cmp64MrJB;
            MovdXrMov32RrAnd32RiPunpcklbwCmp32RiPunpcklwd = MovdXr Mov32Rr And32Ri Punpcklbw Cmp32Ri Punpcklwd;
            MovXXPcmpeqbPcmpeqbOrpPmovmskbTest32RrJE = MovXX Pcmpeqb Pcmpeqb Orp Pmovmskb Test32RrJE;
            Rol32RiXor32RrXor32RrAdd32RrStore32BrCmp64RrJE = Rol32Ri Xor32Rr Xor32Rr Add32Rr Store32Br Cmp64RrJE;
            Load32RbLoad32RbAdd64RiMov32RrMov32RrShr32Ri = Load32Rb Load32Rb Add64Ri Mov32Rr Mov32Rr Shr32Ri;
            Load32RbAdd32RmRol32RiAdd32RrMov32RrShr32Ri = Load32Rb Add32Rm Rol32Ri Add32Rr Mov32Rr Shr32Ri;
            Xor32RrAdd32RrLoad8RbAdd32RmLoad8RbRol32Ri = Xor32Rr Add32Rr Load8Rb Add32Rm Load8Rb Rol32Ri;
            Load64RbPush64RSub64RmAdd64RrFMov64RrCall = Load64Rb Push64R Sub64Rm Add64RrF Mov64Rr Call;
            Load64RbLoad64RmStore64BrMovWideMov64RrAnd64Ri = Load64Rb Load64Rm Store64Br MovWide Mov64Rr And64Ri;
            Push64RLea64RbPush64RSub64RiMovWideLoad64Rb = Push64R Lea64Rb Push64R Sub64Ri MovWide Load64Rb;
            Mov64RrSub32RiShr64RiXor64RmStore64MrStore16Mr = Mov64Rr Sub32Ri Shr64Ri Xor64Rm Store64Mr Store16Mr;
            Load32RbCmp32RiSet8Mov8RrLoad8RbTest8RrJE = Load32Rb Cmp32Ri Set8 Mov8Rr Load8Rb Test8RrJE;
            Add64RrStore64BrLoad64RbSub64RmMov32RrSub32Rr = Add64Rr Store64Br Load64Rb Sub64Rm Mov32Rr Sub32Rr;
            Xor32RrAnd32RrXor32RrLea32RmMov32Rr = Xor32Rr And32Rr Xor32Rr Lea32Rm Mov32Rr;
            Rol32RiXor32RrMov32RrAdd32RmAdd32Rm = Rol32Ri Xor32Rr Mov32Rr Add32Rm Add32Rm;
            Not32Add64RiAnd32RrXor32RrMov32Rr = Not32 Add64Ri And32Rr Xor32Rr Mov32Rr;
            Add32RrMov32RrAnd32RrAdd32RrMov32Rr = Add32Rr Mov32Rr And32Rr Add32Rr Mov32Rr;
            Rol32RiRol32RiXor32RrMov32RrXor32Rr = Rol32Ri Rol32Ri Xor32Rr Mov32Rr Xor32Rr;
            Xor32RrLea32RmRol32RiAdd32RrCmp64RrJE = Xor32Rr Lea32Rm Rol32Ri Add32Rr Cmp64RrJE;
            Store64MiLoadForWrite32RmStore32BrMov32RrCmp32RiJLe = Store64Mi LoadForWrite32Rm Store32Br Mov32Rr Cmp32RiJLe;
            Store32BrXor32RrFStore64BrPop64RRet = Store32Br Xor32RrF Store64Br Pop64R Ret;
            Load32RbAnd32RiExtractHighOr8RiFInsertHigh = Load32Rb And32Ri ExtractHigh Or8RiF InsertHigh;
            Add64RrLoadLow8Mov32RrAnd32RiCmp8RiJE = Add64Rr LoadLow8 Mov32Rr And32Ri Cmp8RiJE;
            MovWideAdd64RrPop64RLoad8RbCmp8Ri = MovWide Add64Rr Pop64R Load8Rb Cmp8Ri;
            Push64RMov64RrPush64RSub64RiCmp8MiJE = Push64R Mov64Rr Push64R Sub64Ri Cmp8MiJE;
            Load64RbLoad64RbMovWideSub32RmFLoad64Rb = Load64Rb Load64Rb MovWide Sub32RmF Load64Rb;
            Shr64RiXor64RmStore64BrStore64MrStore16Mr = Shr64Ri Xor64Rm Store64Br Store64Mr Store16Mr;
            Sub64RiLoad64RmStore64BrMovWideTest64RrJE = Sub64Ri Load64Rm Store64Br MovWide Test64RrJE;
            Load32RmAdd32RrLoad8RbAdd32RrMov32Rr = Load32Rm Add32Rr Load8Rb Add32Rr Mov32Rr;
            Load32RbAdd32RmAdd32RrRol32RiMov32Rr = Load32Rb Add32Rm Add32Rr Rol32Ri Mov32Rr;
            LoadForWrite8RmAnd8RrFStore8BrMovWideTest8MiJE = LoadForWrite8Rm And8RrF Store8Br MovWide Test8MiJE;
            Load64RbLoad32RbSub32RiFStore32BrJESub32 = Load64Rb Load32Rb Sub32RiF Store32Br JESub32;
            Movzx8RrSub32RiShr32RiAnd32RiAdd64RiF = Movzx8Rr Sub32Ri Shr32Ri And32Ri Add64RiF;
            Load8RbAdd64RiStore8MiTest8RrJE = Load8Rb Add64Ri Store8Mi Test8RrJE;
            Mov64RrMov64RrLoadLow8Test8RrJE = Mov64Rr Mov64Rr LoadLow8 Test8RrJE;
            Load8RbCmp8RiLea64RbJESub8 = Load8Rb Cmp8Ri Lea64Rb JESub8;
            StoreX128AlignedStoreX128AlignedStoreX128AlignedStoreX128Aligned = StoreX128Aligned StoreX128Aligned StoreX128Aligned StoreX128Aligned;
            Mov32RrMov32RrMov32RrMov32Rr = Mov32Rr Mov32Rr Mov32Rr Mov32Rr;
            Add64RiFMov64RrPopRunRet = Add64RiF Mov64Rr PopRun Ret;
            Add32RrMov32RrAdd32RrCmp64RiJE = Add32Rr Mov32Rr Add32Rr Cmp64RiJE;
            Rol32RiRol32RiXor32RrMov32Rr = Rol32Ri Rol32Ri Xor32Rr Mov32Rr;
            PushRunMov64RrPush64RMov32Rr = PushRun Mov64Rr Push64R Mov32Rr;
            Push64RMov64RrPush64RMov64Rr = Push64R Mov64Rr Push64R Mov64Rr;
            Add64RiFMov32RrPopRunRet = Add64RiF Mov32Rr PopRun Ret;
            Mov64RrLoadLow8Lea32RmCmp8RiJBe = Mov64Rr LoadLow8 Lea32Rm Cmp8RiJBe;
            Load8RbCmp8RiMov64RrJESub8 = Load8Rb Cmp8Ri Mov64Rr JESub8;
            Cmp64RrMovWideCmov32Test32RrJE = Cmp64Rr MovWide Cmov32 Test32RrJE;
            Store64MiAdd64RiFPopRunRet = Store64Mi Add64RiF PopRun Ret;
            PushRunMov64RrSub64RiStore32Br = PushRun Mov64Rr Sub64Ri Store32Br;
            PushRunMov32RrPushRunSub64Ri = PushRun Mov32Rr PushRun Sub64Ri;
            Load64RbLoad64RbLea64RbCmp64MrJE = Load64Rb Load64Rb Lea64Rb Cmp64MrJE;
            Store32MrAdd64RiFPopRunRet = Store32Mr Add64RiF PopRun Ret;
            Store64BrStore64BrStore64BrStore64Br = Store64Br Store64Br Store64Br Store64Br;
            Xor32RrAdd32RmAdd32RmAdd32Rr = Xor32Rr Add32Rm Add32Rm Add32Rr;
            Mov64RrMov64RrAnd64RiCmp64RiJBe = Mov64Rr Mov64Rr And64Ri Cmp64RiJBe;
            Mov64RrMov64RrMov64RrLea32Rm = Mov64Rr Mov64Rr Mov64Rr Lea32Rm;
            Load64RbSub64RmFJz64 = Load64Rb Sub64RmF Jz64;
            MovWideLoadLow8Cmp8RmJE = MovWide LoadLow8 Cmp8RmJE;
            Add64RrAdd64RiCmp8MiJE = Add64Rr Add64Ri Cmp8MiJE;
            Load8RbMovWideCmp8MiJE = Load8Rb MovWide Cmp8MiJE;
            Add64RiFPopRunRet = Add64RiF PopRun Ret;
            Load64RbLoad64RbStore64Br = Load64Rb Load64Rb Store64Br;
            Add64RiFPop64RRet = Add64RiF Pop64R Ret;
            Push64RMov64RrCallFar = Push64R Mov64Rr CallFar;
            Rol32RiXor32RrMov32Rr = Rol32Ri Xor32Rr Mov32Rr;
            PushRunMov64RrSub64Ri = PushRun Mov64Rr Sub64Ri;
            Mov64RrPop64RRet = Mov64Rr Pop64R Ret;
            LoadSx32To64RmAdd64RrFJmpReg = LoadSx32To64Rm Add64RrF JmpReg;
            Xor32RrAnd32RrAdd32Rm = Xor32Rr And32Rr Add32Rm;
            Load64RbStore64BrTest64RrJE = Load64Rb Store64Br Test64RrJE;
            Push64RMov64RrLoad32Rb = Push64R Mov64Rr Load32Rb;
            Push64RMov64RrCall = Push64R Mov64Rr Call;
            Load32RbAnd32RiCmp32RiJE = Load32Rb And32Ri Cmp32RiJE;
            Push64RMov32RrPush64R = Push64R Mov32Rr Push64R;
            Load64RbMov64RrMov64Rr = Load64Rb Mov64Rr Mov64Rr;
            Lea64RbMov64RrCallFar = Lea64Rb Mov64Rr CallFar;
            Load64RmStore64BrMovWide = Load64Rm Store64Br MovWide;
            Load64RbPop64RRet = Load64Rb Pop64R Ret;
            MovWideLea64RmLoadForWrite32Rm = MovWide Lea64Rm LoadForWrite32Rm;
            Load64RmLoad64RbCmp64MrJE = Load64Rm Load64Rb Cmp64MrJE;
            Push64RLoad64RbCmp64MrJB = Push64R Load64Rb Cmp64MrJB;
            Add64RrFPop64RRet = Add64RrF Pop64R Ret;
            Mov64RrAdd64RiFCallFar = Mov64Rr Add64RiF CallFar;
            Mov64RrPopRunRet = Mov64Rr PopRun Ret;
            Mov64RrLoad64RbCallReg = Mov64Rr Load64Rb CallReg;
            Xor64RmRol64RiStore64Br = Xor64Rm Rol64Ri Store64Br;
            Mov64RrNeg64Cmp64RrJB = Mov64Rr Neg64 Cmp64RrJB;
            Imul64RrMovzx8RrAdd64Rr = Imul64Rr Movzx8Rr Add64Rr;
            Mov64RrAnd32RiFJz32 = Mov64Rr And32RiF Jz32;
            Load64RmMov64RrTest64RrJE = Load64Rm Mov64Rr Test64RrJE;
            Lea64RbShr64RiCmp64RmJB = Lea64Rb Shr64Ri Cmp64RmJB;
            Load16RmMov64RrCmp64RrJB = Load16Rm Mov64Rr Cmp64RrJB;
            Lea64RbMovWideCmp64RiJBe = Lea64Rb MovWide Cmp64RiJBe;
            Load16RmTest16RrJERes16 = Load16Rm Test16Rr JERes16;
            Load64RbMov64RrCallFar = Load64Rb Mov64Rr CallFar;
            Lea64RbLoad64RmTest8RiJE = Lea64Rb Load64Rm Test8RiJE;
            Mov64RrAdd32RiStore64Br = Mov64Rr Add32Ri Store64Br;
            Load64RbLoad64RmStore64Br = Load64Rb Load64Rm Store64Br;
            PcmpeqbPmovmskbTest32RrJE = Pcmpeqb Pmovmskb Test32RrJE;
            Xor32RrLea32RmLoad32Rm = Xor32Rr Lea32Rm Load32Rm;
            Xor32RrAdd32RmAdd32Rm = Xor32Rr Add32Rm Add32Rm;
            Rol32RiXor32RrAdd32Rr = Rol32Ri Xor32Rr Add32Rr;
            Add32RrXor32RrAnd32Rr = Add32Rr Xor32Rr And32Rr;
            LoadLow8Add64RiTest8RrJE = LoadLow8 Add64Ri Test8RrJE;
            Load64RbStore64BrAdd32MiF = Load64Rb Store64Br Add32MiF;
            Load64RbStore64BrCallFar = Load64Rb Store64Br CallFar;
            Add64RiCmp8MiJE = Add64Ri Cmp8MiJE;
            Load64RbJmpReg = Load64Rb JmpReg;
            Load64RbStore64Br = Load64Rb Store64Br;
            Mov64RrMov64Rr = Mov64Rr Mov64Rr;
            Load64RbTest64RrJE = Load64Rb Test64RrJE;
            Add32RiCmp8MiJE = Add32Ri Cmp8MiJE;
            Load64RbLoad64Rb = Load64Rb Load64Rb;
            Add64RiTest8RrJE = Add64Ri Test8RrJE;
            LoadLow8Cmp8RmJE = LoadLow8 Cmp8RmJE;
            Mov64RrCallFar = Mov64Rr CallFar;
            Load64RbCallFar = Load64Rb CallFar;
            PushRunMov64Rr = PushRun Mov64Rr;
            Load64RbMovWide = Load64Rb MovWide;
            Push64RMov64Rr = Push64R Mov64Rr;
            Load64RmStore64Br = Load64Rm Store64Br;
            Load8RbTest8RrJE = Load8Rb Test8RrJE;
            Lea32RmCmp8RiJBe = Lea32Rm Cmp8RiJBe;
            Load32RbLoad32Rb = Load32Rb Load32Rb;
            LoadLow8Test8RrJE = LoadLow8 Test8RrJE;
            MovWideMovWide = MovWide MovWide;
            Store64BrLea64Rb = Store64Br Lea64Rb;
            Store64BrCallFar = Store64Br CallFar;
            Store32BrJcc = Store32Br Jcc;
            Mov32RrMov32Rr = Mov32Rr Mov32Rr;
            Load32RbAnd32Ri = Load32Rb And32Ri;
            Store64BrStore64Br = Store64Br Store64Br;
            Set8Mov8Rr = Set8 Mov8Rr;
            Mov64RrLea64Rb = Mov64Rr Lea64Rb;
            PopRunRet = PopRun Ret;
            Mov64RrTest64RrJE = Mov64Rr Test64RrJE;
            Pop64RRet = Pop64R Ret;
            Mov32RrTest32RrJE = Mov32Rr Test32RrJE;
            Load64RbLoad32Rb = Load64Rb Load32Rb;
            Xor32RrFCallFar = Xor32RrF CallFar;
            Store64BrStore32Br = Store64Br Store32Br;
            Load64RmTest64RrJE = Load64Rm Test64RrJE;
            LoadX128Xorp = LoadX128 Xorp;
            Xor32RrFMov64Rr = Xor32RrF Mov64Rr;
            XorpXorp = Xorp Xorp;
            Load64RbLea64Rb = Load64Rb Lea64Rb;
            Cmov64Ret = Cmov64 Ret;
            Mov64RrSub64Ri = Mov64Rr Sub64Ri;
            Store32MiStore32Mi = Store32Mi Store32Mi;
            Mov32RrMov64Rr = Mov32Rr Mov64Rr;
            Mov64RrStore64Br = Mov64Rr Store64Br;
            Push64RLea64Rb = Push64R Lea64Rb;
            PopRunJmpFar = PopRun JmpFar;
            Load8RbLea64Rb = Load8Rb Lea64Rb;
            Lea64RmRet = Lea64Rm Ret;
            PushRunMov32Rr = PushRun Mov32Rr;
            And32RiFStore32Br = And32RiF Store32Br;
            MovWideCallFar = MovWide CallFar;
            Add32RrMov32Rr = Add32Rr Mov32Rr;
            PushRunSub64Ri = PushRun Sub64Ri;
            Load64RbCmp64RrJE = Load64Rb Cmp64RrJE;
            MovWideLoad8Rm = MovWide Load8Rm;
            Mov32RrAnd32Ri = Mov32Rr And32Ri;
            Store32BrStore32Br = Store32Br Store32Br;
            Lea64RbCallFar = Lea64Rb CallFar;
            Load64RbAdd64Ri = Load64Rb Add64Ri;
            Store64BrMovWide = Store64Br MovWide;
            Lea64RmCallFar = Lea64Rm CallFar;
            Load8RmCmp32RrJE = Load8Rm Cmp32RrJE;
            Load32RbTest32RrJE = Load32Rb Test32RrJE;
            Load32RbLoad64Rb = Load32Rb Load64Rb;
            Mov64RrLoad64Rb = Mov64Rr Load64Rb;
            Movzx8RrLea64Rb = Movzx8Rr Lea64Rb;
            Lea64RbTest8RiJE = Lea64Rb Test8RiJE;
            Add64RrSub64Rr = Add64Rr Sub64Rr;
            Push64RCallFar = Push64R CallFar;
            Movzx8RrCmp32RrJL = Movzx8Rr Cmp32RrJL;
            Movsx32To64RrMovWide = Movsx32To64Rr MovWide;
            Mov64RrTest8RiJE = Mov64Rr Test8RiJE;
            Mov32RrStore32Br = Mov32Rr Store32Br;
            And32RiFJz32 = And32RiF Jz32;
            Store64BrTest64RrJE = Store64Br Test64RrJE;
            Load64RbLoadForWrite32Rm = Load64Rb LoadForWrite32Rm;
            Load32RmTest8RiJE = Load32Rm Test8RiJE;
            Push64RMov32Rr = Push64R Mov32Rr;
            Load8RmLoad8Rb = Load8Rm Load8Rb;
            Mov64RrSub64Rr = Mov64Rr Sub64Rr;
            Store64BrJERes32 = Store64Br JERes32;
            Load8RmStore8Br = Load8Rm Store8Br;
            Xor32RrAdd32Rr = Xor32Rr Add32Rr;
            Not32Or32Rr = Not32 Or32Rr;
            Add64RiXor32Rr = Add64Ri Xor32Rr;
            Add32RmRol32Ri = Add32Rm Rol32Ri;
            Store32MiMovWide = Store32Mi MovWide;
            Sub32RrFRet = Sub32RrF Ret;
            Push64RAnd32Ri = Push64R And32Ri;
            Add64RrStore64Br = Add64Rr Store64Br;
            MovWideTest64RrJE = MovWide Test64RrJE;
            Lea64RbShr64Ri = Lea64Rb Shr64Ri;
            Load8RbAdd64Ri = Load8Rb Add64Ri;
        }
    };
}
pub(crate) use sequence_table;

/// The most ops in a sequence.
const LONGEST: usize = 6;

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
