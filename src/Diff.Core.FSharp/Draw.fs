namespace Diff

/// What is drawn from a key. Op.Random says what each one takes beside it.
[<RequireQualifiedAccess>]
type internal Draw =
    /// Random bits: int32 or int64.
    | Bits
    /// The key that a key and an integer give.
    | FoldIn
    /// New keys.
    | Split
    | Uniform
    | Normal
    | Exponential
    | Laplace
    | Gumbel
    | Logistic
    /// Integers from 0 up to a number.
    | Below of int64
    /// 0 … n − 1 in some order along the last axis.
    | Permutation
    | TruncatedNormal
    | Gamma
    | LogGamma

[<RequireQualifiedAccess>]
module internal Draw =
    /// The name in messages and listings.
    let name =
        function
        | Draw.Bits -> "random_bits"
        | Draw.FoldIn -> "fold_in"
        | Draw.Split -> "split_key"
        | Draw.Uniform -> "random_uniform"
        | Draw.Normal -> "random_normal"
        | Draw.Exponential -> "random_exponential"
        | Draw.Laplace -> "random_laplace"
        | Draw.Gumbel -> "random_gumbel"
        | Draw.Logistic -> "random_logistic"
        | Draw.Below n -> "random_below_" + string n
        | Draw.Permutation -> "random_permutation"
        | Draw.TruncatedNormal -> "random_truncated_normal"
        | Draw.Gamma -> "random_gamma"
        | Draw.LogGamma -> "random_log_gamma"
