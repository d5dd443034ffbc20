/// Elementary and special functions: accuracy against numbers of high precision, conventions at special points, integers.
module SpecialTests

open System
open System.Globalization
open Xunit
open Diff
open Diff.Testing

let private inf = Double.PositiveInfinity

let private functions: Map<string, Expr list -> Expr> =
    let one f (xs: Expr list) : Expr = f xs[0]
    let two f (xs: Expr list) : Expr = f xs[0] xs[1]
    Map
        [ "cbrt", one cbrt
          "rsqrt", one rsqrt
          "log2", one log2
          "log10", one log10
          "exp2", one exp2
          "asin", one asin
          "acos", one acos
          "atan", one atan
          "sinh", one sinh
          "cosh", one cosh
          "asinh", one asinh
          "acosh", one acosh
          "atanh", one atanh
          "sinc", one sinc
          "log_sigmoid", one logSigmoid
          "silu", one silu
          "gelu", one gelu
          "erf", one erf
          "erfc", one erfc
          "erfcx", one erfcx
          "erfinv", one erfinv
          "ndtr", one ndtr
          "log_ndtr", one logNdtr
          "lgamma", one lgamma
          "digamma", one digamma
          "trigamma", one (polygamma 1)
          "polygamma4", one (polygamma 4)
          "atan2", two atan2
          "hypot", two hypot
          "logaddexp", two logaddexp
          "xlogy", two xlogy
          "xlog1py", two xlog1py
          "lbeta", two lbeta
          "beta", two beta
          "gammainc", two gammainc
          "gammaincc", two gammaincc
          "betainc", (fun xs -> betainc xs[0] xs[1] xs[2]) ]

/// The largest relative errors allowed, of value and derivatives, in units of 2⁻⁵³.
let private bounds =
    Map
        [ "default", (4.0, 16.0)
          "erfinv", (4.0, 64.0)
          "lgamma", (4.0, 32.0)
          "digamma", (32.0, 16.0)
          "polygamma4", (8.0, 16.0)
          // Derivatives with respect to b where a is small beside it are differences.
          "lbeta", (8.0, 2e10)
          "beta", (8.0, 4e11)
          "gammainc", (8.0, 200.0)
          "gammaincc", (8.0, 200.0)
          "betainc", (16.0, 400.0) ]

let private rows: (string * float[] * float[]) list =
    let number (s: string) =
        match s with
        | "inf" -> inf
        | "-inf" -> -inf
        | "_" -> nan
        | s -> Double.Parse(s, CultureInfo.InvariantCulture)
    [ for line in SpecialValues.text.Split('\n', StringSplitOptions.RemoveEmptyEntries) do
          let sides = line.Split " : "
          let left = sides[0].Split ' '
          left[0], Array.map number left[1..], Array.map number (sides[1].Split ' ') ]

let names =
    TheoryData<string>(rows |> List.map (fun (name, _, _) -> name) |> List.distinct)

/// Value and derivatives in the order of the table.
let private computed name (points: float[]) : float[] =
    let xs = points |> Array.map (fun p -> variable "x" p) |> List.ofArray
    let y = functions[name] xs
    let first = grads y xs
    let all =
        match xs with
        | [ x ] -> [ y; first[0]; grad first[0] x ]
        | [ a; b ] -> y :: first @ [ grad first[0] a; grad first[0] b; grad first[1] b ]
        | _ -> y :: first @ [ grad first[0] xs[1]; grad first[0] xs[0] ]
    Evaluate.many (Array.ofList all) |> Array.map (fun v -> v.Float 0)

[<Theory; MemberData(nameof names)>]
let ``values and derivatives are those of high precision`` (name: string) =
    let forValues, forDerivatives =
        Map.tryFind name bounds |> Option.defaultValue bounds["default"]
    let problems =
        [ for function', points, expected in rows do
              if function' = name then
                  for k, want in Array.indexed expected do
                      let got = (computed name points)[k]
                      let error = abs (got - want) / (1.1102230246251565e-16 * abs want)
                      let bound = if k = 0 then forValues else forDerivatives
                      if
                          got <> want
                          && not (Double.IsNaN want)
                          && not (error <= bound)
                          && not (abs want < 1e-290 && abs (got - want) < 1e-300)
                      then
                          $"{name}{List.ofArray points}, number {k}: expected {want}, got {got}, {error:F1} units" ]
    Assert.True(problems.IsEmpty, String.Join("\n", problems))

// ---- Special points -------------------------------------------------------------------------------------------------

let private same (expected: float) (actual: float) =
    (Double.IsNaN expected && Double.IsNaN actual)
    || BitConverter.DoubleToInt64Bits expected = BitConverter.DoubleToInt64Bits actual

/// A function, its arguments and its exact value, signs of zeros too.
let private edges: (string * (Expr list -> Expr) * float list * float) list =
    let one name f cases =
        [ for x, y in cases -> name, (fun (xs: Expr list) -> f xs[0]), [ x ], y ]
    let two name f cases =
        [ for x, y, z in cases -> name, (fun (xs: Expr list) -> f xs[0] xs[1]), [ x; y ], z ]
    let large = 2.0 ** 600.0
    let odd = [ 0.0, 0.0; -0.0, -0.0; nan, nan ]
    [ yield! one "cbrt" cbrt (odd @ [ inf, inf; -inf, -inf; -27.0, -3.0 ])
      yield! one "rsqrt" rsqrt [ 0.0, inf; 4.0, 0.5; inf, 0.0; -1.0, nan; nan, nan ]
      yield! one "log2" log2 [ 8.0, 3.0; 0.25, -2.0; 0.0, -inf; -1.0, nan; inf, inf; nan, nan ]
      yield! one "log10" log10 [ 1000.0, 3.0; 0.0, -inf; -1.0, nan; inf, inf; nan, nan ]
      yield!
          one
              "exp2"
              exp2
              [ 10.0, 1024.0
                -1074.0, Double.Epsilon
                1024.0, inf
                -inf, 0.0
                inf, inf
                nan, nan ]
      yield! one "asin" asin (odd @ [ 1.0, Math.PI / 2.0; 1.5, nan; -1.5, nan ])
      yield! one "acos" acos [ 1.0, 0.0; -1.0, Math.PI; 1.5, nan; nan, nan ]
      yield! one "atan" atan (odd @ [ inf, Math.PI / 2.0; -inf, -Math.PI / 2.0 ])
      yield! one "sinh" sinh (odd @ [ inf, inf; -inf, -inf ])
      yield! one "cosh" cosh [ 0.0, 1.0; inf, inf; -inf, inf; nan, nan ]
      yield! one "asinh" asinh (odd @ [ inf, inf; -inf, -inf ])
      yield! one "acosh" acosh [ 1.0, 0.0; 0.5, nan; inf, inf; nan, nan ]
      yield! one "atanh" atanh (odd @ [ 1.0, inf; -1.0, -inf; 1.5, nan ])
      yield! one "sinc" sinc [ 0.0, 1.0; -0.0, 1.0; 3.0, 0.0; inf, 0.0; -inf, 0.0; nan, nan ]
      yield! one "erf" erf (odd @ [ inf, 1.0; -inf, -1.0; 5e-324, 5e-324 ])
      yield! one "erfc" erfc [ 0.0, 1.0; inf, 0.0; -inf, 2.0; 28.0, 0.0; nan, nan ]
      yield! one "erfcx" erfcx [ inf, 0.0; -inf, inf; -27.0, inf; nan, nan ]
      yield! one "erfinv" erfinv (odd @ [ 1.0, inf; -1.0, -inf; 1.5, nan ])
      yield! one "ndtr" ndtr [ 0.0, 0.5; inf, 1.0; -inf, 0.0; -39.0, 0.0; nan, nan ]
      yield! one "log_ndtr" logNdtr [ inf, -0.0; -inf, -inf; nan, nan ]
      yield!
          one
              "lgamma"
              lgamma
              [ 0.0, inf
                -0.0, inf
                -3.0, inf
                1.0, 0.0
                2.0, 0.0
                inf, inf
                -inf, inf
                nan, nan ]
      yield! one "digamma" digamma [ 0.0, -inf; -0.0, inf; -3.0, nan; inf, inf; -inf, nan; nan, nan ]
      yield! one "trigamma" (polygamma 1) [ 0.0, inf; -2.0, inf; inf, 0.0; -inf, nan; nan, nan ]
      yield! one "floor" floor (odd @ [ 1.5, 1.0; -1.5, -2.0; -inf, -inf ])
      yield! one "ceil" ceil (odd @ [ 1.5, 2.0; -1.5, -1.0; -0.5, -0.0; inf, inf ])
      yield! one "round" round (odd @ [ 0.5, 0.0; 1.5, 2.0; 2.5, 2.0; -0.5, -0.0; -1.5, -2.0; inf, inf ])
      yield! one "truncate" truncate (odd @ [ 1.5, 1.0; -1.5, -1.0; -0.5, -0.0; inf, inf ])
      yield!
          two
              "atan2"
              atan2
              [ 0.0, 0.0, 0.0
                -0.0, 0.0, -0.0
                0.0, -0.0, Math.PI
                -0.0, -0.0, -Math.PI
                inf, inf, Math.PI / 4.0
                1.0, -inf, Math.PI ]
      yield!
          two
              "hypot"
              hypot
              [ 3.0 * large, 4.0 * large, 5.0 * large
                3.0 / large, 4.0 / large, 5.0 / large
                0.0, 0.0, 0.0
                -inf, nan, inf
                5e-324, 0.0, 5e-324 ]
      yield!
          two
              "logaddexp"
              logaddexp
              [ inf, inf, inf
                -inf, -inf, -inf
                inf, -inf, inf
                -inf, 3.0, 3.0
                1e300, 1.0, 1e300
                nan, 1.0, nan ]
      yield!
          two
              "xlogy"
              xlogy
              [ 0.0, 0.0, 0.0
                0.0, inf, 0.0
                0.0, -1.0, 0.0
                0.0, nan, nan
                2.0, 0.0, -inf
                1.0, -1.0, nan ]
      yield!
          two
              "xlog1py"
              xlog1py
              [ 0.0, -1.0, 0.0
                0.0, inf, 0.0
                0.0, nan, nan
                2.0, -1.0, -inf
                1.0, -2.0, nan ]
      yield!
          two
              "fmod"
              fmod
              [ 7.5, 2.0, 1.5
                -7.5, 2.0, -1.5
                7.5, -2.0, 1.5
                1.0, 0.0, nan
                3.0, inf, 3.0
                inf, 2.0, nan
                -4.0, 2.0, -0.0 ]
      yield! two "remainder" remainder [ 7.5, 2.0, 1.5; -7.5, 2.0, 0.5; 7.5, -2.0, -0.5; 1.0, 0.0, nan ]
      yield!
          two
              "gammainc"
              gammainc
              [ 2.0, 0.0, 0.0
                2.0, inf, 1.0
                0.0, 1.0, 1.0
                -1.0, 2.0, nan
                1.0, -1.0, nan
                nan, 1.0, nan ]
      yield! two "gammaincc" gammaincc [ 2.0, 0.0, 1.0; 2.0, inf, 0.0; 0.0, 1.0, 0.0; 1.0, -1.0, nan ]
      yield! two "lbeta" lbeta [ 1.0, 1.0, 0.0; 0.0, 1.0, inf; -1.0, 2.0, nan ] ]

[<Fact>]
let ``special points have their exact values, however they are evaluated`` () =
    for name, f, points, expected in edges do
        let xs = points |> List.map (fun p -> variable "x" p)
        let several = points |> List.map (fun p -> tensor "x" [ 70 ] (Array.create 70 p))
        let reference = Reference.evaluate [| f xs |]
        for how, got in
            [ "reference", reference[0].Float 0
              "planned", (eval (f xs)).Float 0
              "in a loop", (eval (f several)).Float 69 ] do
            Assert.True(same expected got, $"{name}{points}, {how}: expected {expected}, got {got}")

let private gradsAt (f: Expr list -> Expr) (points: float list) =
    let xs = points |> List.map (fun p -> variable "x" p)
    let first = grads (f xs) xs
    let second = first |> List.map (fun g -> grads g xs) |> List.concat
    let value (e: Expr) = (eval e).Float 0
    List.map value first, List.map value second

/// A function, where, and its derivatives of the first order (and of the second where they are given).
let private slopes: (string * (Expr list -> Expr) * float list * float list * float list) list =
    let two (f: Expr -> Expr -> Expr) (xs: Expr list) = f xs[0] xs[1]
    let one (f: Expr -> Expr) (xs: Expr list) = f xs[0]
    [ "atan2 at the origin", two atan2, [ 0.0; 0.0 ], [ 0.0; 0.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "hypot at the origin", two hypot, [ 0.0; 0.0 ], [ 0.0; 0.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "hypot on an axis", two hypot, [ 0.0; 2.0 ], [ 0.0; 1.0 ], [ 0.5; 0.0; 0.0; 0.0 ]
      "hypot far out", two hypot, [ 3e200; 4e200 ], [ 0.6; 0.8 ], []
      "logaddexp of nothing", two logaddexp, [ -inf; -inf ], [ 0.0; 0.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "logaddexp of one", two logaddexp, [ -inf; 1.0 ], [ 0.0; 1.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "logaddexp of equals", two logaddexp, [ 3.0; 3.0 ], [ 0.5; 0.5 ], [ 0.25; -0.25; -0.25; 0.25 ]
      "xlogy at 0", two xlogy, [ 0.0; 0.0 ], [ 0.0; 0.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "xlogy of 0", two xlogy, [ 0.0; 4.0 ], [ log 4.0; 0.0 ], [ 0.0; 0.25; 0.25; 0.0 ]
      "xlog1py at −1", two xlog1py, [ 0.0; -1.0 ], [ 0.0; 0.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "sinc at 0", one sinc, [ 0.0 ], [ 0.0 ], [ -Math.PI * Math.PI / 3.0 ]
      "asin at 1", one asin, [ 1.0 ], [ inf ], []
      "acosh at 1", one acosh, [ 1.0 ], [ inf ], []
      "atanh at 1", one atanh, [ 1.0 ], [ inf ], []
      "cbrt at 0", one cbrt, [ 0.0 ], [ inf ], []
      "rsqrt at 0", one rsqrt, [ 0.0 ], [ -inf ], []
      "erfinv at 1", one erfinv, [ 1.0 ], [ inf ], []
      "lgamma at 0", one lgamma, [ 0.0 ], [ -inf ], [ inf ]
      "floor", one floor, [ 2.0 ], [ 0.0 ], [ 0.0 ]
      "fmod", two fmod, [ 7.5; 2.0 ], [ 1.0; -3.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "remainder", two remainder, [ -7.5; 2.0 ], [ 1.0; 4.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "fmod of a large quotient", two fmod, [ 1e17; 3.0 ], [ 1.0; -33333333333333333.0 ], []
      "gammainc at 0, a > 1", two gammainc, [ 3.0; 0.0 ], [ 0.0; 0.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "gammainc at 0, a = 2", two gammainc, [ 2.0; 0.0 ], [ 0.0; 0.0 ], [ 0.0; 0.0; 0.0; 1.0 ]
      "gammainc at 0, a = 1", two gammainc, [ 1.0; 0.0 ], [ 0.0; 1.0 ], []
      "gammainc far out", two gammainc, [ 2.0; 1e4 ], [ 0.0; 0.0 ], [ 0.0; 0.0; 0.0; 0.0 ]
      "gelu far below", one gelu, [ -50.0 ], [ 0.0 ], [ 0.0 ]
      "silu far below", one silu, [ -800.0 ], [ 0.0 ], [ 0.0 ]
      "log_sigmoid far below", one logSigmoid, [ -1000.0 ], [ 1.0 ], [ 0.0 ] ]

[<Fact>]
let ``derivatives at special points are those of the conventions`` () =
    for name, f, points, first, second in slopes do
        let first', second' = gradsAt f points
        let near (want: float) (got: float) =
            got = want || abs (got - want) <= 1e-15 * abs want
        Assert.True(List.forall2 near first first', $"{name}: expected {first}, got {first'}")
        if not second.IsEmpty then
            Assert.True(List.forall2 near second second', $"{name}: expected {second}, got {second'}")

// By the series of P in decimal arithmetic with 110 digits, the derivatives from a polynomial through points 1e-12 apart.
[<Theory>]
[<InlineData(0.0, 1.0, -0.21938393439552029, -0.44895008155498933, 0.31085396248723574)>]
[<InlineData(0.0, 2.6, -0.021850221804082193, -0.077649103790907781, -0.10198956815410282)>]
[<InlineData(0.0, 0.3, -0.90567665167584677, -0.32402058580044313, 3.443664169933542)>]
[<InlineData(1.8e-6, 2.6, -0.021850361572634237, -0.077649287372058229, -0.10198948789725652)>]
[<InlineData(1e-9, 0.5, -0.55977359536292037, -0.58675958185990285, 1.9088231791254742)>]
[<InlineData(0.001, 3.0, -0.013097911478885033, -0.049569297003486668, -0.077826030758790632)>]
[<InlineData(0.5, 0.2, -0.82016140648633884, 1.0339378610953087, -0.15586690575274142)>]
[<InlineData(30.0, 20.0, -0.010205257324989506, 0.0041503261167242953, -0.0013472091942993642)>]
let ``gammainc has derivatives by its parameter down to 0`` (a: float, x: float, first, second, third) =
    let a = variable "a" a
    let mutable y = gammainc a (constant x)
    for expected in [ first; second; third ] do
        y <- grad y a
        Assert.Equal(expected, item y, abs expected * 1e-13)

[<Fact>]
let ``derivatives of gammainc by both operands go down to parameter 0`` () =
    // ∂/∂x of −E₁(x) is e⁻ˣ/x, and of the second derivative 2·e⁻ˣ·(log x + γ)/x.
    let gamma = 0.57721566490153286
    for parameter in [ 0.0; 1e-13 ] do
        for x in [ 0.3; 1.0; 2.6 ] do
            let a, v = variable "a" parameter, variable "x" x
            let first = grad (gammainc a v) a
            Assert.Equal(exp -x / x, item (grad first v), 1e-12)
            Assert.Equal(exp -x / x, item (grad (grad (gammainc a v) v) a), 1e-12)
            let second = 2.0 * exp -x * (log x + gamma) / x
            Assert.Equal(second, item (grad (grad first a) v), 1e-11)
            Assert.Equal(second, item (grad (grad (grad (gammainc a v) v) a) a), 1e-11)

[<Theory; InlineData(1e-12); InlineData(1e-5); InlineData(0.3); InlineData(4.0)>]
let ``betainc has derivatives by small parameters`` (a: float) =
    // I(x; a, 1) = xᵃ, and I(x; 1, b) = 1 − (1 − x)ᵇ.
    for x in [ 0.02; 0.3; 0.7; 0.99 ] do
        let parameter, one = variable "a" a, constant 1.0
        let mutable first = betainc parameter one (constant x)
        let mutable second = betainc one parameter (constant x)
        for k in 1..3 do
            first <- grad first parameter
            second <- grad second parameter
            let expected = log x ** float k * x ** a
            Assert.Equal(expected, item first, abs expected * 1e-11 + 1e-16)
            let expected = -(log (1.0 - x) ** float k) * (1.0 - x) ** a
            Assert.Equal(expected, item second, abs expected * 1e-11 + 1e-16)

[<Fact>]
let ``derivatives of high order do not fail and are right`` () =
    let x = variable "x" 1.3
    let nth n f = item (nthDerivative n (f x) x)
    let near (want: float) got =
        Assert.InRange(got / want, 1.0 - 1e-11, 1.0 + 1e-11)
    // From arithmetic of 60 digits.
    near -6.9253456204446363 (nth 4 digamma)
    near 26412.802919865471 (nth 9 digamma)
    near 624.69945341775653 (nth 8 lgamma)
    near 2.2468472907355093 (nth 6 erfcx)
    near 208.38453768123982 (let y = variable "y" 0.7 in item (nthDerivative 4 (erfinv y) y))
    // The moments of t under cos: the tenth derivative of sinc at 0 is −π¹⁰/11.
    let zero = variable "x" 0.0
    near (-(Math.PI ** 10.0) / 11.0) (item (nthDerivative 10 (sinc zero) zero))
    // Γ(a, x) with respect to a twice and x once, either way round.
    let a = variable "a" 1.7
    let one = item (grad (grad (grad (gammainc a x) a) a) x)
    let other = item (grad (grad (grad (gammainc a x) x) a) a)
    near one other
    let b, p = variable "b" 0.8, variable "p" 0.35
    let i = betainc a b p
    near (item (grad (grad (grad (grad i a) b) b) p)) (item (grad (grad (grad (grad i p) b) a) b))
    near (item (grad (grad (grad i a) b) a)) (item (grad (grad (grad i a) a) b))

[<Fact>]
let ``orders are constants, and an order too high or a variable one is an error`` () =
    let x = variable "x" 1.5
    let order = variable "n" 2.0
    Assert.Contains("order", Assert.Throws<ArgumentException>(fun () -> polygamma -1 x |> ignore).Message)
    let y = Expr.Map(Fn.Polygamma, [| order; x |])
    Assert.Contains(
        "constant",
        Assert.Throws<NotSupportedException>(fun () -> grad y order |> ignore).Message
    )

[<Fact>]
let ``questions about numbers`` () =
    let x = tensor "x" [ 5 ] [| 1.0; nan; inf; -inf; 0.0 |]
    let bools (e: Expr) = List.ofArray ((eval e).ToArray<bool>())
    Assert.Equal<bool list>([ false; true; false; false; false ], bools (isNaN x))
    Assert.Equal<bool list>([ false; false; true; true; false ], bools (isInfinite x))
    Assert.Equal<bool list>([ true; false; false; false; true ], bools (isFinite x))

// ---- A branch not taken leaks nothing -----------------------------------------------------------------------------------

[<Fact>]
let ``where passes no NaN out of the branch not taken, through functions index by index`` () =
    let x = tensor "x" [ 3 ] [| 0.0; 1.0; 4.0 |]
    let zero = zerosLike x
    for name, f, expected, second in
        [ "log", log, [ 0.0; 1.0; 0.25 ], [ 0.0; -1.0; -0.0625 ]
          "sqrt", sqrt, [ 0.0; 0.5; 0.25 ], [ 0.0; -0.25; -1.0 / 32.0 ]
          "1/x", reciprocal, [ 0.0; -1.0; -0.0625 ], [ 0.0; 2.0; 1.0 / 32.0 ]
          "sqrt of a square", (fun x -> sqrt (x * x)), [ 0.0; 1.0; 1.0 ], [ 0.0; 0.0; 0.0 ]
          "a chain", (fun x -> -(2.0 * log (3.0 * x))), [ 0.0; -2.0; -0.5 ], [ 0.0; 2.0; 0.125 ] ] do
        for y in [ where (greater x zero) (f x) zero; where (lessEqual x zero) zero (f x) ] do
            let first = grad (sum y) x
            let read (e: Expr) = List.init 3 (eval e).Float
            let near a b =
                List.forall2 (fun (a: float) b -> abs (a - b) < 1e-14) a b
            Assert.True(near expected (read first), $"{name}: {read first}")
            Assert.True(
                near second (read (grad (sum first) x)),
                $"{name}, second: {read (grad (sum first) x)}"
            )

// ---- Integers -----------------------------------------------------------------------------------------------------------

[<Fact>]
let ``integers divide as in .NET, and by zero is an error that says so`` () =
    let of32 (v: int[]) = tensor "n" [ v.Length ] v
    let m = [| 7; -7; 7; -7; Int32.MinValue |]
    let n = [| 2; 2; -2; -2; -1 |]
    let read (e: Expr) = List.ofArray ((eval e).ToArray<int>())
    Assert.Equal<int list>([ 3; -3; -3; 3; Int32.MinValue ], read (of32 m / of32 n))
    Assert.Equal<int list>([ 1; -1; 1; -1; 0 ], read (of32 m % of32 n))
    Assert.Equal<int list>([ 1; 1; -1; -1; 0 ], read (remainder (of32 m) (of32 n)))
    let least = tensor "n" [ 1 ] [| Int64.MinValue |]
    Assert.Equal(Int64.MinValue, ((eval (least / -1.0)).ToArray<int64>())[0])
    for f in [ (fun (x: Expr) (y: Expr) -> x / y); fmod; remainder ] do
        for zero in [ of32 [| 1; 0 |]; of32 [| 0; 1 |] ] do
            let e =
                Assert.Throws<DivideByZeroException>(fun () -> eval (f (of32 [| 5; 5 |]) zero) |> ignore)
            Assert.Contains("zero", e.Message)
            // The process stays usable.
            Assert.Equal<int list>([ 2; 5 ], read (of32 [| 5; 5 |] / of32 [| 2; 1 |]))
