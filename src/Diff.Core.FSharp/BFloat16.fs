namespace Diff

open System
open System.Globalization

/// A number of 16 bits, the upper half of a float32: 8 bits of significand, the range of float32. It is stored and converted; equal are
/// those with equal bits.
[<Struct; CustomEquality; NoComparison>]
type BFloat16 =
    val private bits: uint16
    private new(bits: uint16) = { bits = bits }

    /// The number of these bits.
    static member OfBits(bits: uint16) : BFloat16 = BFloat16 bits
    /// The bits.
    member this.ToBits() : uint16 = this.bits

    /// The nearest number, of two equally near ones that with an even last bit; NaN stays NaN.
    static member OfSingle(value: float32) : BFloat16 =
        let bits = BitConverter.SingleToUInt32Bits value
        if Single.IsNaN value then
            BFloat16(uint16 (bits >>> 16) ||| 0x40us)
        else
            BFloat16(uint16 ((bits + 0x7FFFu + ((bits >>> 16) &&& 1u)) >>> 16))

    /// The nearest number. A float32 between, with its last bit set if anything was cut off, keeps the result from being rounded twice.
    static member OfDouble(value: float) : BFloat16 =
        let near = float32 value
        if Double.IsNaN value || float near = value || Single.IsInfinity near then
            BFloat16.OfSingle near
        else
            let bits = BitConverter.SingleToUInt32Bits near
            let cut = if abs (float near) > abs value then bits - 1u else bits
            BFloat16.OfSingle(BitConverter.UInt32BitsToSingle(cut ||| 1u))

    /// The same number as a float32.
    member this.ToSingle() : float32 =
        BitConverter.UInt32BitsToSingle(uint32 this.bits <<< 16)
    /// The same number as a float64.
    member this.ToDouble() : float = float (this.ToSingle())

    static member op_Explicit(value: float32) : BFloat16 = BFloat16.OfSingle value
    static member op_Explicit(value: float) : BFloat16 = BFloat16.OfDouble value
    static member op_Implicit(value: BFloat16) : float32 = value.ToSingle()

    override this.ToString() =
        (this.ToSingle()).ToString("R", CultureInfo.InvariantCulture)
    override this.GetHashCode() = int this.bits
    override this.Equals(other: obj) =
        match other with
        | :? BFloat16 as o -> o.bits = this.bits
        | _ -> false
    interface IEquatable<BFloat16> with
        member this.Equals other = other.bits = this.bits
