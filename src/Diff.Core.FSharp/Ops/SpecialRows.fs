namespace Diff

open System
open Diff.Kernels

/// The error functions, the gamma function and its relatives, and the incomplete gamma and beta functions.
[<RequireQualifiedAccess>]
module internal SpecialRows =
    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)
    let private where (condition: Expr) a b = map Fn.Where [ condition; a; b ]
    let private rootPi = Math.Sqrt Math.PI
    let private gaussian (c: float) x = map Fn.Gaussian [ Row.like x c; x ]
    let private normalDensity x =
        (1.0 / Math.Sqrt(2.0 * Math.PI)) * gaussian 0.5 x
    let private positive = 0.4, 3.0

    /// A function of which the next derivative is the same with an order one higher; the order is the first operand.
    let inline private ordered fn ([<InlineIfLambda>] value: float -> float -> float) =
        Row.binary
            value
            (fun _ xs _ g ->
                let n = Row.order (Fn.name fn) xs[0]
                map fn [ Row.ofOrder xs[1] (n + 1); xs[1] ] * g)
            Row.any
            positive

    let private many (value: float[] -> float) partial domain =
        { Value = Loops.floatsOf (Func<_, _> value)
          Derivative = Pointwise partial
          Domain = domain }

    let private choose n k =
        let mutable c = 1.0
        for i in 1..k do
            c <- c * float (n - k + i) / float i
        c

    let private polygamma n x =
        if n = 0 then
            map Fn.Digamma [ x ]
        else
            map Fn.Polygamma [ Row.ofOrder x n; x ]

    /// x, but 1 where a density is 0: its derivatives with respect to parameters are 0 there, whatever its logarithm does.
    let private awayFrom zero (x: Expr) = where zero (Row.like x 1.0) x

    /// The derivatives up to order k of e^L with respect to a parameter: F(k) = Σ C(k − 1, p)·L(p + 1)·F(k − 1 − p).
    let private powers k (density: Expr) (logarithm: int -> Expr) =
        let values = Array.create (k + 1) density
        let logs = Array.init k (fun p -> logarithm (p + 1))
        for n in 1..k do
            values[n] <-
                Seq.init n (fun p -> choose (n - 1) p * logs[p] * values[n - 1 - p])
                |> Seq.reduce (+)
        values[k]

    /// The derivative of order k of the gamma density with respect to a.
    let private gammaDensityAbove0 k (a: Expr) (x: Expr) =
        let density = map Fn.GammaDensity [ a; x ]
        if k = 0 then
            density
        else
            let zero = map Fn.Equal [ density; 0.0 ]
            let safe = awayFrom zero x
            let logarithm n =
                if n = 1 then
                    log safe - map Fn.Digamma [ a ]
                else
                    -(polygamma (n - 1) a)
            where zero (Row.like x 0.0) (powers k density logarithm)

    /// The k-th derivative of the gamma density with respect to a.
    let private gammaDensity k (a: Expr) (x: Expr) =
        if k = 0 then
            gammaDensityAbove0 0 a x
        else
            // 1/Γ(a) = a/Γ(a + 1): near a pole of digamma the density at a is a/x times that at a + 1, which is smooth there.
            let isSmall = map Fn.And [ map Fn.Less [ a; 1.0 ]; map Fn.Greater [ x; 0.0 ] ]
            let next, apart =
                where isSmall (a + 1.0) (Row.like a 2.0), where isSmall (Row.like a 1.0) a
            let near =
                a * gammaDensityAbove0 k next x + float k * gammaDensityAbove0 (k - 1) next x
            where isSmall (near / where isSmall x (Row.like x 1.0)) (gammaDensityAbove0 k apart x)

    let private gammaDensitySlope (a: Expr) (x: Expr) density =
        // At 0 the difference of two densities, which is their limit there.
        let atZero = map Fn.Equal [ x; 0.0 ]
        let least = where atZero a (Row.like a 3.0)
        let edge =
            map Fn.GammaDensity [ least - 1.0; Row.like x 0.0 ]
            - map Fn.GammaDensity [ least; Row.like x 0.0 ]
        where atZero edge (((a - 1.0) / where atZero (Row.like x 1.0) x - 1.0) * density)

    /// The derivative of the orders i and j of the beta density with respect to a and b.
    let private betaDensity i j (a: Expr) (b: Expr) (x: Expr) =
        let density = map Fn.BetaDensity [ a; b; x ]
        let zero = map Fn.Equal [ density; 0.0 ]
        let half = Row.like x 0.5
        // Derivatives of the logarithm of the density: with respect to one parameter, where `own` is log x or log(1 − x), or to both.
        let one own parameter p =
            let both = polygamma (p - 1) (a + b) - polygamma (p - 1) parameter
            if p = 1 then own + both else both
        let first p = one (log (where zero half x)) a p
        let second q =
            one (map Fn.Log1p [ -(where zero half x) ]) b q
        let mixed p q = polygamma (p + q - 1) (a + b)
        // F(i + 1, j) = Σ C(i, p)·C(j, q)·L(p + 1, q)·F(i − p, j − q), and F(0, j + 1) likewise.
        let values = Array2D.create (i + 1) (j + 1) density
        for q in 1..j do
            values[0, q] <-
                Seq.init q (fun k -> choose (q - 1) k * second (k + 1) * values[0, q - 1 - k])
                |> Seq.reduce (+)
        for p in 1..i do
            for q in 0..j do
                let terms =
                    seq {
                        for k in 0 .. p - 1 do
                            for l in 0..q do
                                let slope = if l = 0 then first (k + 1) else mixed (k + 1) l
                                choose (p - 1) k * choose q l * slope * values[p - 1 - k, q - l]
                    }
                values[p, q] <- Seq.reduce (+) terms
        if i + j = 0 then
            density
        else
            where zero (Row.like x 0.0) values[i, j]

    let private betaDensitySlope (a: Expr) (b: Expr) (x: Expr) density =
        let atEnd = map Fn.Or [ map Fn.Equal [ x; 0.0 ]; map Fn.Equal [ x; 1.0 ] ]
        let inside fallback v = where atEnd v (Row.like v fallback)
        let a', b', x' = inside 3.0 a, inside 3.0 b, inside 0.5 x
        let edge =
            (a' + b' - 1.0)
            * (map Fn.BetaDensity [ a' - 1.0; b'; x' ]
               - map Fn.BetaDensity [ a'; b' - 1.0; x' ])
        let safe = where atEnd (Row.like x 0.5) x
        where atEnd edge (((a - 1.0) / safe - (b - 1.0) / (1.0 - safe)) * density)

    let private betaDomain = [| positive; positive; (0.2, 0.8) |]

    let rule =
        function
        | Fn.Erf ->
            Row.unary (fun x -> SpecialMath.Erf x) (fun x _ -> (2.0 / rootPi) * gaussian 1.0 x) Row.any
        | Fn.Erfc ->
            Row.unary (fun x -> SpecialMath.Erfc x) (fun x _ -> (-2.0 / rootPi) * gaussian 1.0 x) Row.any
        | Fn.Erfcx ->
            Row.unary
                (fun x -> SpecialMath.Erfcx x)
                (fun x _ -> map Fn.ErfcxDerivative [ Row.ofOrder x 1; x ])
                Row.any
        | Fn.ErfcxDerivative -> ordered Fn.ErfcxDerivative (fun n x -> SpecialMath.ErfcxDerivative(n, x))
        | Fn.Erfinv ->
            Row.unary (fun x -> SpecialMath.Erfinv x) (fun _ y -> (rootPi / 2.0) / gaussian 1.0 y) (-0.8, 0.8)
        | Fn.Ndtr -> Row.unary (fun x -> SpecialMath.Ndtr x) (fun x _ -> normalDensity x) Row.any
        | Fn.LogNdtr ->
            Row.unary
                (fun x -> SpecialMath.LogNdtr x)
                (fun x _ ->
                    // The density over the function; below 0, where both underflow, by erfcx.
                    where
                        (map Fn.Greater [ x; 0.0 ])
                        (normalDensity x / map Fn.Ndtr [ x ])
                        (Math.Sqrt(2.0 / Math.PI) / map Fn.Erfcx [ -Math.Sqrt 0.5 * x ]))
                Row.any
        | Fn.Gaussian ->
            Row.binary
                (fun c x -> SpecialMath.Gaussian(c, x))
                (fun i xs y g ->
                    let c, x = xs[0], xs[1]
                    (if i = 0 then -(x * x) else -2.0 * c * x) * y * g)
                (0.3, 1.5)
                Row.any
        | Fn.Lgamma -> Row.unary (fun x -> SpecialMath.Lgamma x) (fun x _ -> map Fn.Digamma [ x ]) positive
        | Fn.Digamma -> Row.unary (fun x -> SpecialMath.Digamma x) (fun x _ -> polygamma 1 x) positive
        | Fn.Polygamma -> ordered Fn.Polygamma (fun n x -> SpecialMath.Polygamma(n, x))
        | Fn.GammaDensity ->
            Row.binary
                (fun a x -> SpecialMath.GammaDensity(a, x))
                (fun i xs y g ->
                    let a, x = xs[0], xs[1]
                    (if i = 0 then
                         gammaDensity 1 a x
                     else
                         gammaDensitySlope a x y)
                    * g)
                positive
                positive
        | Fn.Gammainc
        | Fn.Gammaincc as fn ->
            Row.binary
                (fun a x ->
                    if fn = Fn.Gammainc then
                        SpecialMath.Gammainc(a, x)
                    else
                        SpecialMath.Gammaincc(a, x))
                (fun i xs _ g ->
                    let a, x = xs[0], xs[1]
                    let slope =
                        if i = 0 then
                            map Fn.GammaincDerivative [ Row.ofOrder a 1; a; x ]
                        else
                            map Fn.GammaDensity [ a; x ]
                    (if fn = Fn.Gammainc then slope else -slope) * g)
                positive
                positive
        | Fn.GammaincDerivative ->
            many
                (fun v -> SpecialMath.GammaincDerivative(v[0], v[1], v[2]))
                (fun i xs _ g ->
                    let k = Row.order "gammainc" xs[0]
                    let a, x = xs[1], xs[2]
                    if i = 1 then
                        map Fn.GammaincDerivative [ Row.ofOrder a (k + 1); a; x ] * g
                    else
                        gammaDensity k a x * g)
                [| positive; positive; positive |]
        | Fn.Lbeta ->
            Row.binary
                (fun a b -> SpecialMath.Lbeta(a, b))
                (fun i xs _ g -> (map Fn.Digamma [ xs[i] ] - map Fn.Digamma [ xs[0] + xs[1] ]) * g)
                positive
                positive
        | Fn.BetaDensity ->
            many
                (fun v -> SpecialMath.BetaDensity(v[0], v[1], v[2]))
                (fun i xs y g ->
                    let a, b, x = xs[0], xs[1], xs[2]
                    match i with
                    | 0 -> betaDensity 1 0 a b x * g
                    | 1 -> betaDensity 0 1 a b x * g
                    | _ -> betaDensitySlope a b x y * g)
                betaDomain
        | Fn.Betainc ->
            many
                (fun v -> SpecialMath.Betainc(v[0], v[1], v[2]))
                (fun i xs _ g ->
                    let a, b, x = xs[0], xs[1], xs[2]
                    let order = Row.ofOrder a
                    match i with
                    | 0 -> map Fn.BetaincDerivative [ order 1; order 0; a; b; x ] * g
                    | 1 -> map Fn.BetaincDerivative [ order 0; order 1; a; b; x ] * g
                    | _ -> map Fn.BetaDensity [ a; b; x ] * g)
                betaDomain
        | Fn.BetaincDerivative ->
            many
                (fun v -> SpecialMath.BetaincDerivative(v[0], v[1], v[2], v[3], v[4]))
                (fun k xs _ g ->
                    let i, j = Row.order "betainc" xs[0], Row.order "betainc" xs[1]
                    let a, b, x = xs[2], xs[3], xs[4]
                    let next i j =
                        map Fn.BetaincDerivative [ Row.ofOrder a i; Row.ofOrder a j; a; b; x ] * g
                    match k with
                    | 2 -> next (i + 1) j
                    | 3 -> next i (j + 1)
                    | _ -> betaDensity i j a b x * g)
                [| yield! [ Row.any; Row.any ]; yield! betaDomain |]
        | fn -> invalidOp $"{Fn.name fn} has no row"
