namespace Diff.Fuzz

/// Random numbers from one 64-bit seed (Steele, Lea and Flood 2014): the same on every platform and in every version.
[<Sealed>]
type SplitMix(seed: uint64) =
    let mutable state = seed

    static member Mix(value: uint64) : uint64 =
        let z = (value ^^^ (value >>> 30)) * 0xBF58476D1CE4E5B9UL
        let z = (z ^^^ (z >>> 27)) * 0x94D049BB133111EBUL
        z ^^^ (z >>> 31)

    /// A seed of its own for each part of a run.
    static member Derive(seed: uint64, part: uint64) : uint64 =
        SplitMix.Mix(seed ^^^ SplitMix.Mix(part + 0x9E3779B97F4A7C15UL))

    member _.Next() : uint64 =
        state <- state + 0x9E3779B97F4A7C15UL
        SplitMix.Mix state

    /// 0 … n − 1.
    member this.Below(n: int) : int =
        int (((this.Next() >>> 32) * uint64 n) >>> 32)
    /// low … high, both included.
    member this.Between(low: int, high: int) : int = low + this.Below(high - low + 1)
    /// In [0, 1).
    member this.Unit() : float =
        float (this.Next() >>> 11) * (1.0 / 9007199254740992.0)
    member this.Within(low: float, high: float) : float = low + (high - low) * this.Unit()
    member this.Chance(probability: float) : bool = this.Unit() < probability
    member this.Pick(items: 'T[]) : 'T = items[this.Below items.Length]

    member this.Shuffle(items: 'T[]) : 'T[] =
        let items = Array.copy items
        for i in items.Length - 1 .. -1 .. 1 do
            let j = this.Below(i + 1)
            let kept = items[i]
            items[i] <- items[j]
            items[j] <- kept
        items

    /// Each with an even chance.
    member this.Some(items: 'T[]) : 'T[] =
        items |> Array.filter (fun _ -> this.Chance 0.5)

    /// One of several by weight.
    member this.Weighted(items: (float * 'T)[]) : 'T =
        let mutable left = this.Unit() * Array.sumBy fst items
        let mutable i = 0
        while i < items.Length - 1 && left >= fst items[i] do
            left <- left - fst items[i]
            i <- i + 1
        snd items[i]
