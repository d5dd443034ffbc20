/// The generators behind the numbers that older texts print: MT19937 (Matsumoto and Nishimura 1998) as NumPy's
/// `RandomState` and as Python's `random` seed and use it.
module Diff.Testing.MersenneTwister

open System

/// 624 words of state; both users draw doubles with 53 random bits from it.
[<Sealed>]
type MersenneTwister private (state: uint32[]) =
    let mutable position = state.Length
    let mutable spare: float voption = ValueNone

    static let initialise (seed: uint32) =
        let state = Array.zeroCreate 624
        state[0] <- seed
        for i in 1..623 do
            state[i] <- 1812433253u * (state[i - 1] ^^^ (state[i - 1] >>> 30)) + uint32 i
        state

    /// The state that a key of one word gives.
    static let initialiseByArray (key: uint32) =
        let state = initialise 19650218u
        let mutable i = 1
        let step mix =
            let last = state[i - 1]
            state[i] <- mix ((last ^^^ (last >>> 30)), state[i])
            i <- i + 1
            if i = 624 then
                state[0] <- state[623]
                i <- 1
        for _ in 1..624 do
            step (fun (last, word) -> (word ^^^ (last * 1664525u)) + key)
        for _ in 1..623 do
            step (fun (last, word) -> (word ^^^ (last * 1566083941u)) - uint32 i)
        state[0] <- 0x80000000u
        state

    let refill () =
        for i in 0..623 do
            let y = (state[i] &&& 0x80000000u) ||| (state[(i + 1) % 624] &&& 0x7fffffffu)
            state[i] <-
                state[(i + 397) % 624]
                ^^^ (y >>> 1)
                ^^^ (if y % 2u = 0u then 0u else 0x9908b0dfu)
        position <- 0

    let word () =
        if position = state.Length then
            refill ()
        let mutable y = state[position]
        position <- position + 1
        y <- y ^^^ (y >>> 11)
        y <- y ^^^ ((y <<< 7) &&& 0x9d2c5680u)
        y <- y ^^^ ((y <<< 15) &&& 0xefc60000u)
        y ^^^ (y >>> 18)

    /// As `numpy.random.seed`.
    static member NumPy(seed: int) =
        MersenneTwister(initialise (uint32 seed))
    /// As `random.seed` of Python.
    static member Python(seed: int) =
        MersenneTwister(initialiseByArray (uint32 seed))

    /// Uniform in [0, 1): `random()` of both.
    member _.Uniform() : float =
        let high, low = word () >>> 5, word () >>> 6
        (float high * 67108864.0 + float low) / 9007199254740992.0

    /// `random.uniform` of Python.
    member this.Uniform(low: float, high: float) : float = low + (high - low) * this.Uniform()

    member private _.Paired(draw: unit -> struct (float * float)) =
        match spare with
        | ValueSome kept ->
            spare <- ValueNone
            kept
        | ValueNone ->
            let struct (first, second) = draw ()
            spare <- ValueSome second
            first

    /// `random.gauss(0, 1)` of Python (Box and Muller 1958).
    member this.Gauss() : float =
        this.Paired(fun () ->
            let angle = this.Uniform() * Math.Tau
            let radius = sqrt (-2.0 * log (1.0 - this.Uniform()))
            struct (cos angle * radius, sin angle * radius))

    /// `numpy.random.randn()` (Marsaglia and Bray 1964).
    member this.Normal() : float =
        this.Paired(fun () ->
            let mutable x, y, square = 0.0, 0.0, 0.0
            while square = 0.0 || square >= 1.0 do
                x <- 2.0 * this.Uniform() - 1.0
                y <- 2.0 * this.Uniform() - 1.0
                square <- x * x + y * y
            let factor = sqrt (-2.0 * log square / square)
            struct (factor * y, factor * x))
