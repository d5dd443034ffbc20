namespace Diff

open System

/// The type of an array's elements.
type DType =
    | Float32 = 0
    | Float64 = 1
    | Int32 = 2
    | Int64 = 3
    | Bool = 4
    /// IEEE binary16: stored, moved and cast, not computed with.
    | Float16 = 5
    /// The upper half of a float32: stored, moved and cast, not computed with.
    | BFloat16 = 6

/// Raised when the element types of operands do not fit an operation.
type DTypeException(message: string) =
    inherit ArgumentException(message)
    /// What does not fit, and the line of the caller's code.
    override e.Message = SourceLine.append e base.Message

/// Questions about element types.
[<RequireQualifiedAccess>]
module internal DType =
    /// What is computed with and differentiated.
    let isFloat (dtype: DType) =
        dtype = DType.Float32 || dtype = DType.Float64
    /// What is only stored.
    let isHalf (dtype: DType) =
        dtype = DType.Float16 || dtype = DType.BFloat16
    /// Whether numbers of the type have derivatives, and the type of these: of half precision, float32.
    let isReal (dtype: DType) = isFloat dtype || isHalf dtype
    let ofDerivative (dtype: DType) =
        if isHalf dtype then DType.Float32 else dtype
    let isInteger (dtype: DType) =
        dtype = DType.Int32 || dtype = DType.Int64

    let name (dtype: DType) =
        match dtype with
        | DType.Float32 -> "float32"
        | DType.Float64 -> "float64"
        | DType.Int32 -> "int32"
        | DType.Int64 -> "int64"
        | DType.Bool -> "bool"
        | DType.Float16 -> "float16"
        | DType.BFloat16 -> "bfloat16"
        | other -> raise (DTypeException $"dtype: there is no element type {int other}")

    /// Bytes of one element.
    let size (dtype: DType) =
        match dtype with
        | DType.Float64
        | DType.Int64 -> 8
        | DType.Bool -> 1
        | DType.Float16
        | DType.BFloat16 -> 2
        | _ -> 4

    /// For matches over all types: there is no other.
    let unknown (dtype: DType) : 'T =
        raise (DTypeException $"dtype: there is no element type {int dtype}")

    let ofType (t: Type) =
        if t = typeof<float32> then
            DType.Float32
        elif t = typeof<float> then
            DType.Float64
        elif t = typeof<int32> then
            DType.Int32
        elif t = typeof<int64> then
            DType.Int64
        elif t = typeof<bool> then
            DType.Bool
        elif t = typeof<Half> then
            DType.Float16
        elif t = typeof<BFloat16> then
            DType.BFloat16
        else
            raise (
                DTypeException
                    $"dtype: elements are float, double, int, long, bool, Half or BFloat16, got {t.Name}"
            )

/// One number of a given element type. Two are equal when their bits are, so that -0 differs from 0 and NaN equals NaN.
[<Struct; CustomEquality; NoComparison>]
type Scalar =
    {
        DType: DType
        /// The bits of the float64 of the same value for floats; the number itself for integers; 0 or 1 for bool.
        Bits: int64
    }

    member s.AsFloat =
        if DType.isReal s.DType then
            BitConverter.Int64BitsToDouble s.Bits
        else
            float s.Bits
    member s.AsInt = if DType.isReal s.DType then int64 s.AsFloat else s.Bits
    override s.GetHashCode() = HashCode.Combine(int s.DType, s.Bits)
    override s.Equals(other: obj) =
        match other with
        | :? Scalar as o -> s.DType = o.DType && s.Bits = o.Bits
        | _ -> false
    interface IEquatable<Scalar> with
        member s.Equals o = s.DType = o.DType && s.Bits = o.Bits

[<RequireQualifiedAccess>]
module internal Scalar =
    /// The value rounded to the element type; fails where the type cannot hold it.
    let ofFloat (dtype: DType) (value: float) : Scalar =
        match dtype with
        | DType.Float64 ->
            { DType = dtype
              Bits = BitConverter.DoubleToInt64Bits value }
        | DType.Float32 ->
            { DType = dtype
              Bits = BitConverter.DoubleToInt64Bits(float (float32 value)) }
        | DType.Float16 ->
            { DType = dtype
              Bits = BitConverter.DoubleToInt64Bits(float (Half.op_Explicit (value: float): Half)) }
        | DType.BFloat16 ->
            { DType = dtype
              Bits = BitConverter.DoubleToInt64Bits((BFloat16.OfDouble value).ToDouble()) }
        | DType.Bool when value = 0.0 || value = 1.0 -> { DType = dtype; Bits = int64 value }
        | DType.Int32 when value = Math.Floor value && abs value <= 2147483648.0 && value < 2147483648.0 ->
            { DType = dtype; Bits = int64 value }
        | DType.Int64 when value = Math.Floor value && abs value < 9.2e18 ->
            { DType = dtype; Bits = int64 value }
        | _ ->
            raise (
                DTypeException
                    $"constant: {value} is not a value of {DType.name dtype}; cast the other operand to a float type"
            )

    let ofInt (dtype: DType) (value: int64) : Scalar =
        if dtype = DType.Float32 then
            ofFloat dtype (float (float32 value)) // rounded once
        elif DType.isReal dtype then
            ofFloat dtype (float value)
        elif dtype = DType.Int32 && int64 (int32 value) <> value then
            raise (DTypeException $"constant: {value} is not a value of int32; use int64")
        elif dtype = DType.Bool && value <> 0L && value <> 1L then
            raise (DTypeException $"constant: {value} is not a value of bool; compare it with something")
        else
            { DType = dtype; Bits = value }

    /// The same number in another element type, as a cast gives it.
    let cast (dtype: DType) (s: Scalar) : Scalar =
        if s.DType = dtype then
            s
        elif dtype = DType.Bool then
            { DType = dtype
              Bits = (if s.AsFloat <> 0.0 then 1L else 0L) }
        elif DType.isReal dtype then
            if DType.isInteger s.DType then
                ofInt dtype s.Bits
            else
                ofFloat dtype s.AsFloat
        elif dtype = DType.Int32 then
            { DType = dtype
              Bits =
                if DType.isReal s.DType then
                    int64 (int32 s.AsFloat)
                else
                    int64 (int32 s.Bits) }
        else
            { DType = dtype; Bits = s.AsInt }
