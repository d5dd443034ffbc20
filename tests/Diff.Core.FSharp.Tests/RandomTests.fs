/// Random numbers: bits that are published, bits that must stay, distributions, independence, derivatives of what is drawn.
module RandomTests

#nowarn "9" // pinned words

open System
open Xunit
open Diff
open Diff.Kernels
open Diff.Testing.Generators

let private close (tolerance: float) (expected: float) (actual: float) =
    Assert.True(
        abs (actual - expected) <= tolerance * max 1.0 (abs expected),
        $"expected {expected:R}, got {actual:R}"
    )

let private key = Rng.key 42L

let private ints (x: Expr) =
    let value = eval x
    if value.DType = DType.Int32 then
        Array.map int64 (value.Span<int>().ToArray())
    else
        value.Span<int64>().ToArray()

let private drawn (x: Expr) = floats (eval x)

// ---- Bits ---------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``Philox gives the words that its authors published`` () =
    let words (b: RandomBlock) =
        [ uint32 b.Low; uint32 (b.Low >>> 32); uint32 b.High; uint32 (b.High >>> 32) ]
    Assert.Equal<uint32 list>(
        [ 0x6627e8d5u; 0xe169c58du; 0xbc57ac4cu; 0x9b00dbd8u ],
        words (Philox.Block(0UL, 0UL, 0u, 0u))
    )
    Assert.Equal<uint32 list>(
        [ 0x408f276du; 0x41c83b0eu; 0xa20bc7c6u; 0x6d5451fdu ],
        words (Philox.Block(UInt64.MaxValue, UInt64.MaxValue, UInt32.MaxValue, UInt32.MaxValue))
    )
    Assert.Equal<uint32 list>(
        [ 0xd16cfe09u; 0x94fdccebu; 0x5001e420u; 0x24126ea1u ],
        words (Philox.Block(0x299f31d0a4093822UL, 0x85a308d3243f6a88UL, 0x13198a2eu, 0x03707344u))
    )

/// Also where the position carries into the second word of the counter.
[<Fact>]
let ``blocks filled together are those made one by one`` () =
    for first in [ 0UL; 5UL; 0xFFFFFFFDUL; UInt64.MaxValue / 2UL ] do
        let words = GC.AllocateArray<uint64>(200, pinned = true)
        use at = fixed words
        Philox.Fill(0x0123456789ABCDEFUL, first, at, 100)
        for i in 0..99 do
            let block = Philox.Block(0x0123456789ABCDEFUL, first + uint64 i, RandomUse.Draw, 0u)
            Assert.Equal(block, RandomBlock(words[2 * i], words[2 * i + 1]))

[<Fact>]
let ``the numbers of a key stay what they are`` () =
    Assert.Equal<int64[]>(
        [| 8643895580192075859L
           6287785766076502189L
           6033254488940945703L
           8380643633896839790L |],
        ints (Rng.bits DType.Int64 [ 4 ] key)
    )
    Assert.Equal<int64[]>(
        [| -1662324653L; 2012563771L; 314527917L; 1463989207L; -52747993L |],
        ints (Rng.bits DType.Int32 [ 5 ] key)
    )
    Assert.Equal<int64[]>(
        [| 3455875372330056306L; -3058813043021311281L; -7092906927180757212L |],
        ints (Rng.splitAxis 3 key)
    )
    Assert.Equal<int64[]>([| -3080868698777271549L |], ints (Rng.foldIn (Expr.op_Implicit 7) key))
    Assert.Equal(0.4685865183391049, (drawn (Rng.uniform DType.Float64 [ 1 ] key))[0])
    for draw, expected in
        [ Rng.normal,
          [ -0.07882346885253205
            -0.41011294279565175
            -0.44803662789792803
            -0.11476523741853359 ]
          Rng.exponential,
          [ 0.6322148758975181
            0.41682167456585745
            0.3961041308947671
            0.6057144955136484 ]
          Rng.gumbel,
          [ 0.27702634898733247
            -0.07350962673860253
            -0.11118469266495835
            0.23703564560781018 ]
          Rng.logistic,
          [ -0.12581964750779318
            -0.6594572231117743
            -0.7214971696619638
            -0.18324866893118683 ]
          Rng.laplace,
          [ -0.06488734284536596
            -0.38313171711768645
            -0.42445411999678556
            -0.09581598388488997 ] ] do
        List.iter2 (close 1e-15) expected (List.ofArray (drawn (draw DType.Float64 [ 4 ] key)))

/// Of the bits of numbers, in order.
let private digest (x: Expr) =
    let bytes = bytesOf (eval x)
    let mutable hash = 14695981039346656037UL
    for b in bytes do
        hash <- (hash ^^^ uint64 b) * 1099511628211UL
    hash

let private digested: (string * (unit -> Expr) * uint64) list =
    let a = constant (spread 3 (0.05, 9.0) [ 3000 ])
    let low = constant (spread 4 (-9.0, 7.0) [ 3000 ])
    let of' draw () = draw DType.Float64 [ 3000 ] key
    let single draw () = draw DType.Float32 [ 3000 ] key
    [ "uniform", of' Rng.uniform, 0x3019B970262B815DUL
      "uniform, float32", single Rng.uniform, 0xC0F3345834FCF992UL
      "normal", of' Rng.normal, 0x71E79199F1450912UL
      "normal, float32", single Rng.normal, 0xFDE9C70112A763E6UL
      "exponential", of' Rng.exponential, 0xF6E30E077B9AD6D6UL
      "laplace", of' Rng.laplace, 0xA4D9D86D00EE4F0FUL
      "gumbel", of' Rng.gumbel, 0xE5544520608EA358UL
      "logistic", of' Rng.logistic, 0x0A0270B3261B3975UL
      "integers", (fun () -> Rng.integers -3L 97L DType.Int64 [ 3000 ] key), 0x46D4C98FEBFCBB96UL
      "permutation", (fun () -> Rng.permutation 3000 key), 0xD12234C8DD7D3A99UL
      "truncated normal", (fun () -> Rng.truncatedNormal low (low + 2.5) [ 3000 ] key), 0xBE5CEC05A2D294F4UL
      "gamma", (fun () -> Rng.gamma a [ 3000 ] key), 0x48B1A617A35CA2F8UL
      "log gamma", (fun () -> Rng.logGamma a [ 3000 ] key), 0xC7BCD76311FDDA17UL ]

[<Fact>]
let ``the bits of whole draws stay what they are, on every machine`` () =
    let wrong =
        [ for name, draw, expected in digested do
              let found = digest (draw ())
              if found <> expected then
                  $"{name}: 0x{found:X16}UL" ]
    Assert.True(wrong.IsEmpty, String.Join("\n", wrong))

[<Fact>]
let ``plans draw the bits of the reference, from any number of keys, in any number of threads`` () =
    let keys = Rng.splitAxis 5 key
    let a = constant (spread 3 (0.05, 9.0) [ 7001 ])
    for draw in
        [ Rng.bits DType.Int32 [ 7001 ]
          Rng.bits DType.Int64 [ 7001 ]
          Rng.uniform DType.Float32 [ 7; 1001 ]
          Rng.normal DType.Float32 [ 7001 ]
          Rng.exponential DType.Float64 [ 7001 ]
          Rng.laplace DType.Float64 [ 7001 ]
          Rng.gumbel DType.Float32 [ 7001 ]
          Rng.logistic DType.Float64 [ 7001 ]
          Rng.integers 5L 17L DType.Int32 [ 7001 ]
          Rng.integers Int64.MinValue 5L DType.Int64 [ 7001 ]
          Rng.splitAxis 7001
          Rng.foldIn (iota [ 7001; 1; 1 ] 0 DType.Int64)
          Rng.permutation 7001
          Rng.truncatedNormal (-a) a [ 7001 ]
          Rng.gamma a [ 7001 ]
          Rng.logGamma a [ 7001 ] ] do
        for key in [ key; keys; transpose (reshape [ 1; 5 ] keys) ] do
            let y = draw key
            let expected = (Reference.evaluate [| y |])[0]
            for threads in [ 1; 3 ] do
                let options = EngineOptions.Default.WithThreads threads
                let plan = new CompiledFunction((fun (xs: Expr[]) -> [| draw xs[0] |]), options)
                let actual = plan.Call(eval key)[0]
                Assert.True((bytesOf expected).SequenceEqual(bytesOf actual), $"{y} in {threads} threads")

[<Fact>]
let ``a draw of any length begins like a longer one, and many keys give what each gives`` () =
    let long = drawn (Rng.normal DType.Float64 [ 2000 ] key)
    for n in [ 0; 1; 2; 3; 511; 512; 513; 1025 ] do
        Assert.Equal<float[]>(Array.truncate n long, drawn (Rng.normal DType.Float64 [ n ] key))
    let keys = Rng.split 3 key
    let together = drawn (Rng.normal DType.Float64 [ 501 ] (Rng.splitAxis 3 key))
    Assert.Equal<float[]>(
        together,
        keys |> List.map (Rng.normal DType.Float64 [ 501 ] >> drawn) |> Array.concat
    )

[<Fact>]
let ``float32 draws are the float64 draws, rounded`` () =
    for draw in [ Rng.normal; Rng.exponential; Rng.laplace; Rng.gumbel; Rng.logistic ] do
        Assert.Equal<float[]>(
            drawn (draw DType.Float64 [ 999 ] key) |> Array.map (float32 >> float),
            drawn (draw DType.Float32 [ 999 ] key)
        )
    let single, double =
        drawn (Rng.uniform DType.Float32 [ 999 ] key), drawn (Rng.uniform DType.Float64 [ 999 ] key)
    Assert.Equal<float[]>(double |> Array.map (fun u -> Math.Floor(u * 16777216.0) / 16777216.0), single)

// ---- Functions of the draws -------------------------------------------------------------------------------------------

[<Fact>]
let ``the functions that draws are made of are those of the platform to a few ulp`` () =
    for x in
        [ 5e-324
          1e-310
          1e-20
          0.3
          0.75
          1.0 - 1e-15
          1.0
          1.0000001
          1.5
          7.0
          1e300 ] do
        close 1e-15 (Math.Log x) (PortableMath.Log x)
    for x in [ -745.0; -708.5; -30.0; -0.4; -1e-9; 0.0; 0.2; 1.0; 50.0; 709.0 ] do
        let expected = Math.Exp x
        Assert.True(abs (PortableMath.Exp x - expected) <= 4e-16 * expected + 5e-324, $"exp {x}")
    for x in [ -0.999; -0.5; -1e-9; 1e-300; 1e-5; 3.0; 1e10 ] do
        close 1e-15 (Special.log1p x / x) (PortableMath.Log1p x / x)
    for x in [ -50.0; -0.29; -1e-9; 1e-12; 0.31; 3.0 ] do
        close 1e-15 (Special.expm1 x / x) (PortableMath.Expm1 x / x)
    Assert.Equal(Double.NegativeInfinity, PortableMath.Log 0.0)
    Assert.True(Double.IsNaN(PortableMath.Log -1.0))

[<Theory>]
[<InlineData(0.5, 0.0)>]
[<InlineData(0.3, -0.52440051270804066)>]
[<InlineData(0.07, -1.4757910281791706)>]
[<InlineData(1e-3, -3.0902323061678135)>]
[<InlineData(1e-12, -7.0344838253011319)>]
[<InlineData(1e-20, -9.2623400897984076)>]
[<InlineData(1e-300, -37.047096299361199)>]
let ``normal quantiles are right into the tails, and their probabilities lead back`` (p: float) (x: float) =
    close 2e-15 x (PortableMath.NormalQuantile p)
    close 2e-15 x (PortableMath.NormalQuantileOfLog(Math.Log p))
    close 1e-13 (Math.Log p) (PortableMath.LogNormalCdf x)
    for far in [ -40.0; -1e3; -1e8 ] do
        close 1e-13 far (PortableMath.NormalQuantileOfLog(PortableMath.LogNormalCdf far))

// ---- Distributions ----------------------------------------------------------------------------------------------------------

/// The largest distance between the empirical distribution function and that given, times √n: above 1.95 with probability 0.001
/// (Kolmogorov 1933).
let private distance (cdf: float -> float) (xs: float[]) =
    let n = float xs.Length
    let sorted = Array.sort xs
    let largest =
        sorted
        |> Array.mapi (fun i x ->
            let p = cdf x
            max (abs (p - float i / n)) (abs (float (i + 1) / n - p)))
        |> Array.max
    largest * sqrt n

let private normalCdf x =
    if x < 0.0 then
        Math.Exp(PortableMath.LogNormalCdf x)
    else
        1.0 - Math.Exp(PortableMath.LogNormalCdf -x)

/// P(a, x) by its series, all terms of one sign.
let private gammaCdf (a: float) (x: float) =
    if x <= 0.0 then
        0.0
    else
        let logGamma =
            // Stirling after a recurrence upwards.
            let mutable z, product = a, 1.0
            while z < 20.0 do
                product <- product * z
                z <- z + 1.0
            (z - 0.5) * Math.Log z - z + 0.5 * Math.Log(2.0 * Math.PI) + 1.0 / (12.0 * z)
            - 1.0 / (360.0 * z * z * z)
            + 1.0 / (1260.0 * Math.Pow(z, 5.0))
            - Math.Log product
        let mutable term, sum, k = 1.0 / a, 1.0 / a, 1.0
        while term > 1e-17 * sum do
            term <- term * x / (a + k)
            sum <- sum + term
            k <- k + 1.0
        min 1.0 (sum * Math.Exp(a * Math.Log x - x - logGamma))

let private distributions: (string * (Expr -> Expr) * (float -> float)) list =
    let n = [ 40000 ]
    let of' draw = draw DType.Float64 n
    let number (x: float) : Expr = Expr.op_Implicit x
    [ "uniform", of' Rng.uniform, id
      "uniform, float32", Rng.uniform DType.Float32 n, id
      "normal", of' Rng.normal, normalCdf
      "normal, float32", Rng.normal DType.Float32 n, normalCdf
      "exponential", of' Rng.exponential, (fun x -> 1.0 - Math.Exp -x)
      "laplace",
      of' Rng.laplace,
      (fun x ->
          if x < 0.0 then
              0.5 * Math.Exp x
          else
              1.0 - 0.5 * Math.Exp -x)
      "gumbel", of' Rng.gumbel, (fun x -> Math.Exp(-(Math.Exp -x)))
      "logistic", of' Rng.logistic, (fun x -> 1.0 / (1.0 + Math.Exp -x))
      for low, high in [ -1.0, 2.0; -infinity, -3.0; 0.5, infinity; 6.0, 6.5; -9.0, -8.0; -0.1, 8.0 ] do
          let tail x =
              if low > 0.0 then
                  -(Math.Exp(PortableMath.LogNormalCdf -x))
              else
                  normalCdf x
          $"truncated normal {low} {high}",
          Rng.truncatedNormal (number low) (number high) n,
          (fun x -> (tail x - tail low) / (tail high - tail low))
      for a in [ 0.05; 0.3; 1.0; 1.5; 12.0; 300.0 ] do
          $"gamma {a}", Rng.gamma (number a) n, gammaCdf a
          $"log gamma {a}", Rng.logGamma (number a) n >> exp, gammaCdf a
      "beta 2 1", Rng.beta (number 2.0) (number 1.0) n, (fun x -> x * x)
      "beta 0.5 0.5", Rng.beta (number 0.5) (number 0.5) n, (fun x -> 2.0 / Math.PI * Math.Asin(Math.Sqrt x))
      // P(a, x) is xᵃ / Γ(a + 1) for small x; half of these variates are below what a float can be.
      "log gamma 0.001",
      Rng.logGamma (number 0.001) n,
      (fun y ->
          if y < -30.0 then
              Math.Exp(0.001 * y + 0.00057639319)
          else
              gammaCdf 0.001 (Math.Exp y))
      "student 1", Rng.studentT (number 1.0) n, (fun x -> 0.5 + Math.Atan x / Math.PI)
      "student 2", Rng.studentT (number 2.0) n, (fun x -> 0.5 + x / (2.0 * Math.Sqrt(2.0 + x * x))) ]

let namesOfDistributions =
    TheoryData<string>(distributions |> List.map (fun (name, _, _) -> name))

[<Theory; MemberData(nameof namesOfDistributions)>]
let ``draws have their distribution (Kolmogorov and Smirnov)`` (name: string) =
    let _, draw, cdf = distributions |> List.find (fun (n, _, _) -> n = name)
    for seed in [ 1L; 2L; 77L ] do
        let d = distance cdf (drawn (draw (Rng.key seed)))
        Assert.True(d < 1.95, $"seed {seed}: {d}")

[<Fact>]
let ``draws have the moments of their distribution`` () =
    for draw, mean, variance in
        [ Rng.uniform, 0.5, 1.0 / 12.0
          Rng.normal, 0.0, 1.0
          Rng.exponential, 1.0, 1.0
          Rng.laplace, 0.0, 2.0
          Rng.gumbel, 0.57721566490153286, Math.PI * Math.PI / 6.0
          Rng.logistic, 0.0, Math.PI * Math.PI / 3.0 ] do
        let xs = drawn (draw DType.Float64 [ 200000 ] (Rng.key 9L))
        let m = Array.average xs
        let v = xs |> Array.averageBy (fun x -> (x - mean) * (x - mean))
        close (4.5 * sqrt (variance / 200000.0)) mean m
        Assert.InRange(v / variance, 0.98, 1.02)

[<Fact>]
let ``uniform numbers are in [0, 1), the words at the ends of their range included`` () =
    let all = drawn (Rng.uniform DType.Float32 [ 1000000 ] key)
    Assert.True(Array.forall (fun u -> u >= 0.0 && u < 1.0) all)
    for word in [ 0UL; 1UL; 0x7FFFFFFFFFFFFFFFUL; 0x8000000000000000UL; UInt64.MaxValue ] do
        Assert.InRange(RandomNumber.Uniform word, 0.0, Math.BitDecrement 1.0)
        Assert.InRange(RandomNumber.UniformSingle word, 0.0f, MathF.BitDecrement 1.0f)
        for f in
            [ RandomNumber.Normal
              RandomNumber.Laplace
              RandomNumber.Gumbel
              RandomNumber.Logistic ] do
            Assert.True(Double.IsFinite(f word), $"{word}")
        Assert.True(
            RandomNumber.Exponential word > 0.0
            && float32 (RandomNumber.Exponential word) > 0.0f
        )
    close 1e-14 -9.1552937726860725 (RandomNumber.Normal 0UL)
    close 1e-14 9.1552937726860725 (RandomNumber.Normal UInt64.MaxValue)

let private chiSquare (expected: float[]) (counts: int[]) =
    Array.fold2 (fun s e c -> s + (float c - e) * (float c - e) / e) 0.0 expected counts

let private counted n (values: int64[]) =
    let counts = Array.zeroCreate<int> n
    for v in values do
        counts[int v] <- counts[int v] + 1
    counts

[<Fact>]
let ``integers, categories and permutations have the frequencies they should have`` () =
    let dice =
        ints (Rng.integers 1L 7L DType.Int32 [ 60000 ] key)
        |> Array.map (fun v -> v - 1L)
    Assert.InRange(chiSquare (Array.create 6 10000.0) (counted 6 dice), 0.1, 20.5) // 0.1 %
    // Of a range of 3·2⁶¹ every value by which words would be unfair is as likely as the others.
    let wide = ints (Rng.integers 0L 6917529027641081856L DType.Int64 [ 60000 ] key)
    let thirds = wide |> Array.map (fun v -> v / 2305843009213693952L)
    Assert.InRange(chiSquare (Array.create 3 20000.0) (counted 3 thirds), 0.0, 13.8)
    let logits =
        constant (NDArray.Create([| 0.0; log 2.0; log 3.0; -infinity |], Shape [| 4 |]))
    let classes = ints (Rng.categorical logits [ 60000 ] key)
    let counts = counted 4 classes
    Assert.InRange(chiSquare [| 10000.0; 20000.0; 30000.0 |] counts[..2], 0.0, 13.8)
    Assert.Equal(0, counts[3])
    let orders =
        ints (Rng.permutation 4 (Rng.splitAxis 24000 key)) |> Array.chunkBySize 4
    for order in orders do
        Assert.Equal<int64[]>([| 0L; 1L; 2L; 3L |], Array.sort order)
    let counts = orders |> Array.countBy List.ofArray |> Array.map snd
    Assert.Equal(24, counts.Length)
    Assert.InRange(chiSquare (Array.create 24 1000.0) counts, 0.0, 49.7)
    let kept =
        drawn (cast DType.Float64 (Rng.bernoulli (Expr.op_Implicit 0.3) [ 100000 ] key))
    Assert.InRange(Array.average kept, 0.294, 0.306)

let private correlation (xs: float[]) (ys: float[]) =
    let mx, my = Array.average xs, Array.average ys
    let c = Array.fold2 (fun s x y -> s + (x - mx) * (y - my)) 0.0 xs ys
    let v (m: float) =
        Array.sumBy (fun x -> (x - m) * (x - m))
    c / sqrt (v mx xs * v my ys)

[<Fact>]
let ``keys that are neighbours, split or folded give streams that have nothing in common`` () =
    let n = 20000
    let stream key =
        drawn (Rng.uniform DType.Float64 [ n ] key)
    let keys =
        [ for seed in 40L .. 44L -> Rng.key seed ]
        @ [ Rng.key (42L ||| (1L <<< 32)); Rng.key -42L ]
        @ Rng.split 3 (Rng.key 42L)
        @ [ for i in 0..2 -> Rng.foldIn (Expr.op_Implicit i) (Rng.key 42L) ]
    let streams = keys |> List.map stream
    for i in 0 .. streams.Length - 1 do
        for j in i + 1 .. streams.Length - 1 do
            Assert.InRange(correlation streams[i] streams[j], -0.035, 0.035) // five standard deviations
        // Nor has a stream with itself, some elements on.
        for lag in [ 1; 2; 3; 4; 8; 64 ] do
            Assert.InRange(
                correlation (Array.skip lag streams[i]) (Array.truncate (n - lag) streams[i]),
                -0.035,
                0.035
            )
    // First numbers of a thousand neighbouring keys: a sample like any other.
    let firsts = Rng.uniform DType.Float64 [] (iota [ 40000 ] 0 DType.Int64) |> drawn
    Assert.True(distance id firsts < 1.95)
    Assert.InRange(correlation (Array.skip 1 firsts) (Array.truncate 39999 firsts), -0.025, 0.025)
    // Pairs of bits over the whole word are equal half of the time.
    let words = ints (Rng.bits DType.Int64 [ 20000 ] key) |> Array.map uint64
    for bit in 0..62 do
        let same =
            words
            |> Array.filter (fun w -> ((w >>> bit) ^^^ (w >>> (bit + 1))) &&& 1UL = 0UL)
        Assert.InRange(same.Length, 9640, 10360)

[<Fact>]
let ``draws, splits and folds of one key never meet`` () =
    let own = ints (Rng.bits DType.Int64 [ 3000 ] key)
    let split = ints (Rng.splitAxis 3000 key)
    let folded = ints (Rng.foldIn (iota [ 3000 ] 0 DType.Int64) key)
    Assert.Equal(9000, Set.count (Set.ofArray (Array.concat [ own; split; folded ])))

[<Fact>]
let ``multivariate normals have their mean and covariance`` () =
    let mean = NDArray.Create([| 1.0; -2.0 |], Shape [| 2 |])
    let factor = NDArray.Create([| 2.0; 0.0; -1.0; 0.5 |], Shape [| 2; 2 |])
    let xs =
        drawn (Rng.multivariateNormal (constant mean) (constant factor) [ 50000 ] key)
        |> Array.chunkBySize 2
    let moment f = xs |> Array.averageBy f
    close 0.03 1.0 (moment (fun x -> x[0]))
    close 0.03 -2.0 (moment (fun x -> x[1]))
    close 0.03 4.0 (moment (fun x -> (x[0] - 1.0) ** 2.0))
    close 0.03 -2.0 (moment (fun x -> (x[0] - 1.0) * (x[1] + 2.0)))
    close 0.03 1.25 (moment (fun x -> (x[1] + 2.0) ** 2.0))

[<Fact>]
let ``Dirichlet numbers add up to one, have their means, and small parameters give no NaN`` () =
    let a = NDArray.Create([| 0.5; 1.0; 2.5 |], Shape [| 3 |])
    let rows = drawn (Rng.dirichlet (constant a) [ 40000 ] key) |> Array.chunkBySize 3
    for row in rows do
        close 1e-14 1.0 (Array.sum row)
    for k in 0..2 do
        close 0.01 (a.Float k / 4.0) (rows |> Array.averageBy (fun r -> r[k]))
    let tiny = drawn (Rng.dirichlet (full [ 3 ] DType.Float64 1e-4) [ 500 ] key)
    Assert.True(tiny |> Array.forall (fun x -> x >= 0.0 && x <= 1.0))

// ---- Derivatives of gamma variates ------------------------------------------------------------------------------------------

/// Shape a, x, and d log x / da at fixed probability, from 40 digits of the incomplete gamma function.
let private slopes =
    [ 0.01, 1e-20, 4549.0816402012238
      0.01, 0.3, 123.44920015920253
      0.1, 1e-5, 110.89279600203115
      0.1, 2.0, 4.2478246137134283
      0.5, 0.05, 6.3165867750919627
      0.5, 1.5, 1.4930201687228014
      1.0, 0.1, 2.8927311661593885
      1.0, 1.0, 1.1735630272247269
      1.0, 5.0, 0.47141515072407309
      2.5, 0.3, 1.0185762658223788
      2.5, 2.1, 0.46567044006217678
      2.5, 9.0, 0.21019020001009422
      10.0, 3.0, 0.17473732020047934
      10.0, 9.6, 0.10377144850368928
      10.0, 25.0, 0.062089759636024095
      100.0, 70.0, 0.011908912308167041
      100.0, 100.0, 0.010016683237741726
      100.0, 140.0, 0.0084257890031913011
      1000.0, 1000.0, 0.001000166683323806
      10000.0, 9900.0, 0.00010050503360201537 ]

[<Fact>]
let ``the slope of a gamma quantile is that of 40 digits`` () =
    for a, x, expected in slopes do
        let y = log x
        let slope =
            -(GammaMath.Moment(1, a, y)
              + (y - SpecialMath.Digamma a) * GammaMath.Moment(0, a, y))
        Assert.True(abs (slope / expected - 1.0) < 1e-10, $"a = {a}, x = {x}: {slope:R}, not {expected:R}")

[<Fact>]
let ``moments of gamma distributions have the derivatives that the rules say`` () =
    for a in [ 0.2; 1.0; 3.7; 40.0 ] do
        for y in [ log a - 1.5; log a + 0.7 ] do
            for k in 0..2 do
                let at da dy = GammaMath.Moment(k, a + da, y + dy)
                let h = 1e-4
                let slope f =
                    (8.0 * (f h - f -h) - (f (2.0 * h) - f (-2.0 * h))) / (12.0 * h)
                let scale = abs (at 0.0 0.0) + abs (GammaMath.Moment(k + 1, a, y))
                Assert.True(abs (slope (fun h -> at h 0.0) - GammaMath.Moment(k + 1, a, y)) < 1e-8 * scale)
                let expected =
                    (exp y - a) * at 0.0 0.0
                    + (if k = 0 then
                           1.0
                       else
                           -(float k) * GammaMath.Moment(k - 1, a, y))
                Assert.True(abs (slope (fun h -> at 0.0 h) - expected) < 1e-8 * (1.0 + abs expected + scale))

/// The quantile of a gamma distribution by bisection.
let private quantile a p =
    let mutable low, high = 0.0, 200.0
    for _ in 1..200 do
        let middle = 0.5 * (low + high)
        if gammaCdf a middle < p then
            low <- middle
        else
            high <- middle
    0.5 * (low + high)

[<Fact>]
let ``gamma variates have the first and second derivatives of the quantile at their probability`` () =
    for a in [ 0.7; 1.3; 6.0 ] do
        for seed in 1L .. 4L do
            let shape = variable "a" a
            let x = Rng.gamma shape [] (Rng.key seed)
            let first = grad x shape
            let second = grad first shape
            let p = gammaCdf a (item x)
            let h = 0.02 * a
            let f k = quantile (a + k * h) p
            let d1 = (8.0 * (f 1.0 - f -1.0) - (f 2.0 - f -2.0)) / (12.0 * h)
            let d2 =
                (16.0 * (f 1.0 + f -1.0) - (f 2.0 + f -2.0) - 30.0 * f 0.0) / (12.0 * h * h)
            close 1e-5 d1 (item first)
            close 1e-4 d2 (item second)
            // By its logarithm it is the same.
            let y = Rng.logGamma shape [] (Rng.key seed)
            close 1e-12 (item first) (item (grad (exp y) shape))
            close 1e-10 (item second) (item (grad (grad (exp y) shape) shape))
            close 1e-12 (item second) (item (jvp first [ shape ] [ Expr.op_Implicit 1.0 ]))

[<Fact>]
let ``means of derivatives are derivatives of means`` () =
    let number name (x: float) = variable name x
    let n = [ 40000 ]
    let check expected tolerance (y: Expr) x =
        close tolerance expected (item (grad (mean y) x))
    let a = number "a" 1.7
    check 1.0 0.02 (Rng.gamma a n key) a // E x = a
    check (2.0 * 1.7 + 1.0) 0.05 (square (Rng.gamma a n key)) a // E x² = a² + a
    // E x = a / (a + b).
    let b = number "b" 0.6
    check (0.6 / (2.3 * 2.3)) 0.02 (Rng.beta a b n key) a
    check (-1.7 / (2.3 * 2.3)) 0.02 (Rng.beta a b n key) b
    // E x² = ν / (ν − 2).
    let nu = number "nu" 9.0
    check (-2.0 / 49.0) 0.02 (square (Rng.studentT nu n key)) nu
    let parameters = variableOf "p" (NDArray.Create([| 0.8; 2.0; 1.5 |], Shape [| 3 |]))
    let first = at -1 0 (Rng.dirichlet parameters n key)
    let slope = drawn (grad (mean first) parameters)
    close 0.02 (3.5 / (4.3 * 4.3)) slope[0]
    close 0.02 (-0.8 / (4.3 * 4.3)) slope[1]

[<Fact>]
let ``shapes and bounds outside their domain give NaN, at its edge the limit`` () =
    let number (x: float) : Expr = Expr.op_Implicit x
    let gamma a = item (Rng.gamma (number a) [] key)
    Assert.True(Double.IsNaN(gamma -1.0) && Double.IsNaN(gamma nan))
    Assert.Equal(0.0, gamma 0.0)
    Assert.Equal(infinity, gamma infinity)
    Assert.Equal(0.0, gamma 1e-300)
    close 1e-5 1e12 (gamma 1e12)
    let truncated low high =
        item (Rng.truncatedNormal (number low) (number high) [] key)
    Assert.True(Double.IsNaN(truncated 1.0 0.0) && Double.IsNaN(truncated nan 0.0))
    Assert.Equal(1.5, truncated 1.5 1.5)
    for low in [ 30.0; 1e3; 1e8; -1e3 ] do
        Assert.InRange(truncated low (low + 1.0), low, low + 1.0)

// ---- In graphs --------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``a compiled function draws other numbers for other keys, and keeps a key as its state`` () =
    let step =
        new CompiledFunction(
            (fun (xs: Expr[]) ->
                let keys = Rng.splitAxis 2 xs[0]
                [| at 0 0 keys; Rng.normal DType.Float64 [ 3 ] (at 0 1 keys) |]),
            EngineOptions.Default
        )
    let run (seed: int64) =
        let results = step.Call(NDArray.Create([| seed |], Shape.Scalar))
        results[0].Span<int64>()[0], floats results[1]
    let next, first = run 1L
    Assert.Equal<float[]>(first, snd (run 1L))
    Assert.NotEqual<float[]>(first, snd (run 2L))
    let keys = Rng.split 2 (Rng.key 1L)
    Assert.Equal<int64[]>([| next |], ints keys[0])
    Assert.Equal<float[]>(first, drawn (Rng.normal DType.Float64 [ 3 ] keys[1]))
    Assert.NotEqual<float[]>(first, snd (run next))

[<Fact>]
let ``a checkpoint draws the same numbers again`` () =
    let x = variableOf "x" (spread 1 (-1.0, 1.0) [ 50 ])
    let f (xs: Expr list) = exp (Rng.dropout 0.4 xs[0] key)
    let plain, kept = sum (f [ x ] * x), sum (checkpoint f [ x ] * x)
    Assert.Equal<float[]>(drawn (grad plain x), drawn (grad kept x))

[<Fact>]
let ``dropout keeps what it should, scaled`` () =
    let x = full [ 100; 100 ] DType.Float32 2.0
    let y = drawn (Rng.dropout 0.25 x key)
    let kept = y |> Array.filter (fun v -> v <> 0.0)
    Assert.All(kept, fun v -> Assert.Equal(float (2.0f / 0.75f), v))
    Assert.InRange(kept.Length, 7300, 7700)
    Assert.Same(x, Rng.dropout 0.0 x key)

[<Fact>]
let ``what does not fit is said`` () =
    let says (parts: string list) (f: unit -> Expr) =
        let e = Assert.ThrowsAny<ArgumentException>(fun () -> f () |> ignore)
        for part in parts do
            Assert.Contains(part, e.Message)
    let x = full [ 2 ] DType.Float32 1.0
    for p in [ 1.5; 1.0; -0.1; nan ] do
        says [ "dropout"; string p ] (fun () -> Rng.dropout p x key)
    says [ "int64"; "float32"; "Rng.key" ] (fun () -> Rng.normal DType.Float32 [ 2 ] x)
    says [ "random_normal"; "int32" ] (fun () -> Rng.normal DType.Int32 [ 2 ] key)
    says [ "random_bits"; "float64" ] (fun () -> Rng.bits DType.Float64 [ 2 ] key)
    says [ "random_normal"; "-2" ] (fun () -> Rng.normal DType.Float32 [ -2 ] key)
    says [ "random_integers"; "5"; "3" ] (fun () -> Rng.integers 5L 3L DType.Int32 [] key)
    says [ "int32"; "3000000000" ] (fun () -> Rng.integers 0L 3000000001L DType.Int32 [] key)
    says [ "random_gamma"; "(2)"; "(3)" ] (fun () -> Rng.gamma x [ 3 ] key)
    says [ "random_choice"; "7" ] (fun () -> Rng.choice 7 0 x key)
    says [ "float32"; "float64" ] (fun () -> Rng.beta x (full [ 2 ] DType.Float64 1.0) [ 2 ] key)
    says [ "random_gamma"; "int32" ] (fun () -> Rng.gamma (Expr.op_Implicit 1) [ 2 ] key)
    // A number beside an expression takes its element type.
    Assert.Equal(DType.Float32, (Rng.beta x (Expr.op_Implicit 1.0) [ 2 ] key).DType)
    Assert.Equal(DType.Float32, (Rng.truncatedNormal (Expr.op_Implicit 0.0) x [ 2 ] key).DType)
    says [ "fold_in"; "float32" ] (fun () -> Rng.foldIn x key)
    says [ "random_multivariate_normal"; "(2)" ] (fun () -> Rng.multivariateNormal x x [] key)
    says [ "random_shuffle" ] (fun () -> Rng.shuffle 0 x (Rng.splitAxis 2 key))
