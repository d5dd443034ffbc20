/// The numbers that the texts behind this library print, each under its number in their list of acceptance facts.
module SeedTests

open System
open Xunit
open Diff
open Diff.Testing.MersenneTwister

// ---- Comparing ------------------------------------------------------------------------------------------------------

/// How many floats lie between two of one sign.
let private ulps (a: float) (b: float) =
    if a = b then
        0L
    else
        abs (BitConverter.DoubleToInt64Bits a - BitConverter.DoubleToInt64Bits b)

let private within (most: int64) (expected: float) (actual: float) =
    Assert.True(
        ulps expected actual <= most,
        $"expected {expected:R}, got {actual:R}: {ulps expected actual} ulp"
    )

/// The printed digits, up to what different orders of the same operations round differently.
let private prints expected actual = within 4L expected actual

let private relative (tolerance: float) (expected: float) (actual: float) =
    Assert.True(abs (actual - expected) <= tolerance * abs expected, $"expected {expected:R}, got {actual:R}")

let private numbers (x: Expr) = (eval x).ToArray<float>()
let private values (xs: Expr list) = List.map item xs
let private vector name (xs: float list) =
    tensor name [ xs.Length ] (Array.ofList xs)
let private matrix name (rows: float list list) =
    tensor name [ rows.Length; rows.Head.Length ] (Array.ofList (List.concat rows))
let private linspace low high count =
    Array.init count (fun i -> low + (high - low) * float i / float (count - 1))

let private array (draw: unit -> float) (shape: int list) =
    let shape = Shape(Array.ofList shape)
    NDArray.Create(Array.init shape.Length (fun _ -> draw ()), shape)

// ---- The graph-to-graph library (B) -----------------------------------------------------------------------------------

let private example () =
    let x, y = variable "x" 3.0, variable "y" 4.0
    x, y, x * y + exp (x + 3.0)

[<Fact>]
let ``B1: the value of x·y + exp(x + 3)`` () =
    let _, _, z = example ()
    prints 415.4287934927351 (item z)

[<Fact>]
let ``B2: its derivative with respect to x`` () =
    let x, _, z = example ()
    prints 407.4287934927351 (item (grad z x))

[<Fact>]
let ``B3: its derivative with respect to y, and the second one with respect to x`` () =
    let x, y, z = example ()
    Assert.Equal(3.0, item (grad z y))
    prints 403.4287934927351 (item (nthDerivative 2 z x))

[<Fact>]
let ``B4: with a seed of ones, the gradient of x·w with respect to w repeats the column sums of x`` () =
    let source = MersenneTwister.NumPy 0
    let x, w =
        variableOf "x" (array source.Normal [ 2; 3 ]), variableOf "w" (array source.Normal [ 3; 5 ])
    let y = einsum "ij,jk->ik" [ x; w ]
    let rows = numbers (grad y w) |> Array.chunkBySize 5
    Assert.Equal<float[]>(numbers (sumOver [ 0 ] x) |> Array.map (Array.replicate 5), rows)
    Assert.Equal<float>(numbers (grad y w), numbers (vjp y (onesLike y) [ w ] |> List.head))

[<Fact>]
let ``B5: the largest tanh and derivatives 1 to 4 on linspace(-7, 7, 200)`` () =
    let x = tensor "x" [ 200 ] (linspace -7.0 7.0 200)
    let largest order =
        numbers (nthDerivative order (tanh x) x) |> Array.map abs |> Array.max
    for order, expected in List.indexed [ 0.999998; 0.998764; 0.769652; 1.990119; 4.057912 ] do
        Assert.Equal(expected, largest order, 6)

let private tanhDerivatives at =
    let x = variable "x" at
    List.init 7 (fun order -> item (nthDerivative order (tanh x) x))

[<Fact>]
let ``B6: derivatives 0 to 6 of tanh at 0.5`` () =
    let expected =
        [ 0.46211715726000976
          0.78644773296592741
          -0.72686198138358728
          -0.56520928825977036
          3.9522195637245831
          -3.2666864719713927
          -36.279540291791625 ]
    List.iter2 (relative 1e-14) expected (tanhDerivatives 0.5)

[<Fact>]
let ``B7: derivatives 0 to 6 of tanh at 1`` () =
    let expected =
        [ 0.76159415595576489
          0.41997434161402607
          -0.6397000084492245
          0.62162668077129626
          0.66509104475050168
          -5.5568935584737198
          13.624075441312104 ]
    List.iter2 (relative 1e-13) expected (tanhDerivatives 1.0)

[<Fact>]
let ``B8: at 0 the odd derivatives of tanh are 1, -2, 16 and the even ones exactly 0`` () =
    Assert.Equal<float list>([ 0.0; 1.0; 0.0; -2.0; 0.0; 16.0; 0.0 ], tanhDerivatives 0.0)

[<Fact>]
let ``B9: the character model starts at 8·ln 71·19/20`` () =
    let logits, next =
        tensor "logits" [ 19; 8; 71 ] (Array.zeroCreate<float>(19 * 8 * 71)),
        tensor "next" [ 19; 8 ] (Array.zeroCreate<int>(19 * 8))
    let cost = sum (crossEntropyOfClasses logits next) / 20.0
    relative 1e-14 (8.0 * log 71.0 * 19.0 / 20.0) (item cost)
    Assert.Equal(32.396367, item cost, 6)

// ---- Its 48 tests -----------------------------------------------------------------------------------------------------

/// A graph of B's test suite and the arrays that it is differentiated with respect to.
type private Case =
    { Name: string
      Points: NDArray list
      Build: Expr list -> Expr }

let private case name points build =
    { Name = name
      Points = points
      Build = build }

let private ofMatrices =
    let source = MersenneTwister.NumPy 1337
    let uniform = array source.Uniform
    let w0, w1, w2, w3, w4 =
        uniform [ 2; 3 ], uniform [ 3; 5 ], uniform [ 10; 3 ], uniform [ 10; 5 ], uniform [ 10; 5 ]
    let w5, w6 =
        NDArray.Create(linspace -7.0 7.0 200, Shape [| 200 |]), uniform [ 2; 3; 5; 7 ]
    let rows = w3.Span<float>()
    for i in 0..9 do // w3 is a distribution a row
        let row = rows.Slice(5 * i, 5)
        let total = row.ToArray() |> Array.sum
        for j in 0..4 do
            row[j] <- row[j] / total
    let one name points (f: Expr -> Expr) = case name points (fun xs -> f xs[0])
    [ one "normal distribution" [ w5 ] (normalDensity (Expr.op_Implicit 0.0) (Expr.op_Implicit 1.0))
      case "sigmoid cross-entropy" [ w4; w3 ] (fun xs -> sigmoidCrossEntropy xs[0] xs[1])
      case "softmax cross-entropy" [ w4; w3 ] (fun xs -> crossEntropyOfDistributions xs[0] xs[1])
      one "softmax 0" [ w4 ] (softmax -1)
      one "softmax 1" [ w5 ] (softmax -1)
      one "softmax 2" [ w6 ] (softmax -1)
      one "reshape" [ w1 ] (reshape [ 1; 15 ])
      one "pad" [ w0 ] (pad [ 1, 0; 2, 2 ])
      one "slice 1" [ w1 ] (slice 1 None (Some -1) 1)
      one "slice 2" [ w1 ] (at 0 0 >> at 0 0)
      one "slice 3" [ w1 ] (at 0 2 >> slice 0 (Some 2) (Some 4) 1)
      one "slice 4" [ w1 ] (at 0 1)
      one "slice 5" [ w1 ] (slice 0 None None -2)
      one "sigmoid" [ w0 ] sigmoid
      one "relu" [ w0 ] relu
      one "transpose" [ w0 ] transpose
      one "reciprocal" [ w0 ] reciprocal
      one "negate" [ w0 ] (~-)
      one "log" [ w0 ] log
      one "exp" [ w0 ] exp
      one "identity" [ w0 ] id
      one "tanh" [ w0 ] tanh
      case "matmul" [ w0; w1 ] (einsum "ij,jk->ik")
      case "concat 1" [ w0; w2 ] (concat 0)
      case "concat 2" [ w2; w3 ] (concat 1)
      one "frobenius norm" [ w3 ] (fun x -> frobeniusNorm [ x ]) ]

let private ofScalars =
    let source = MersenneTwister.NumPy 1336
    let points = [ array source.Uniform []; array source.Uniform [] ]
    [ case "add" points (fun xs -> xs[0] + xs[1])
      case "mul" points (fun xs -> xs[0] * xs[1])
      case "power" points (fun xs -> xs[0] ** xs[1])
      case "squared difference" points (fun xs -> square (xs[0] - xs[1])) ]

let private ofEinsum =
    let source = MersenneTwister.NumPy 1337
    let w0, w1, w2 =
        array source.Normal [ 2; 3 ], array source.Normal [ 3; 5 ], array source.Normal [ 5; 5 ]
    let w3, w4 = array source.Normal [ 2; 3; 5; 7 ], array source.Normal [ 5 ]
    let notation (text: string) points =
        case $"einsum {text}" points (einsum text)
    [ case "reduce sum, keeping dimensions" [ w3 ] (fun xs ->
          sumOver [ 1; 3 ] xs[0] |> expandDims 1 |> expandDims 3)
      notation "...k,k->...k" [ w1; w4 ]
      notation "ijkl->ijkl" [ w3 ]
      notation "ijkl->ijk" [ w3 ]
      notation "ijkl->ij" [ w3 ]
      notation "ijkl->i" [ w3 ]
      notation "ijkl->" [ w3 ]
      notation "dt,tp->dp" [ w0; w1 ]
      notation "dt,tp,pr->dtp" [ w0; w1; w2 ]
      notation "dt,tp->d" [ w0; w1 ]
      notation "dt,tp->p" [ w0; w1 ]
      notation "dt,tp->" [ w0; w1 ]
      // used in its code
      notation "i->" [ w4 ]
      notation "bi,o->bo" [ w0; w4 ]
      notation "ij,jk->ik" [ w0; w1 ]
      notation "ij->ji" [ w0 ]
      notation "...i,...ij->...ij" [ w0; array source.Normal [ 2; 3; 4 ] ]
      notation "...ij,...ij->...ij" [ w3; array source.Normal [ 5; 7 ] ] ]

let private ofCompleteGraphs =
    let source = MersenneTwister.NumPy 1337
    let normal = array source.Normal
    let layer (x: Expr) w = sigmoid (einsum "ij,jk->ik" [ x; w ])
    let h, b0, b1, b2 =
        normal [ 2; 5 ], normal [ 5 ], normal [ 1; 5 ], array (fun () -> 7.0) []
    [ case "perceptron" [ normal [ 16; 20 ]; normal [ 20; 40 ]; normal [ 40; 5 ] ] (fun xs ->
          layer (layer xs[0] xs[1]) xs[2])
      case "broadcast sum" [ h; b0; b1; b2 ] (fun xs -> xs[0] + xs[1] + xs[2] + xs[3])
      case "broadcast product" [ h; b0; b1; b2 ] (fun xs -> xs[0] * xs[1] * xs[2] + xs[3])
      case "sigmoid of an affine map" [ normal [ 2; 3 ]; normal [ 3; 5 ]; normal [ 5 ] ] (fun xs ->
          sigmoid (einsum "ij,jk->ik" [ xs[0]; xs[1] ] + xs[2])) ]

let private suite = ofMatrices @ ofScalars @ ofEinsum @ ofCompleteGraphs

let suiteNames: TheoryData<string> = TheoryData<string>(suite |> Seq.map _.Name)

[<Theory>]
[<MemberData(nameof suiteNames)>]
let ``B's tests: derivatives of orders 1 and 2 agree with differences, alone and inside exp`` (name: string) =
    let case = suite |> List.find (fun case -> case.Name = name)
    (checkGradients case.Build case.Points).ThrowIfWorseThan 8.0
    (checkGradients (fun xs -> exp (0.25 * case.Build xs)) case.Points).ThrowIfWorseThan 8.0

[<Fact>]
let ``B's tests: the gradient with respect to an inner node is that with respect to an equal leaf`` () =
    let source = MersenneTwister.NumPy 1337
    let x, w =
        variableOf "x" (array source.Normal [ 2; 3 ]), variableOf "w" (array source.Normal [ 3; 5 ])
    let inner = einsum "ij,jk->ik" [ x; w ]
    let leaf = variableOf "inner" (eval inner)
    Assert.Equal<float>(numbers (grad (sigmoid leaf) leaf), numbers (grad (sigmoid inner) inner))

// ---- Reverse mode from scratch (S) ------------------------------------------------------------------------------------

[<Fact>]
let ``S1: gradients of d = a·(a + b) with respect to leaves and inner nodes`` () =
    let a, b = variable "a" 4.0, variable "b" 3.0
    let c = a + b
    let d = a * c
    Assert.Equal(28.0, item d)
    Assert.Equal<float list>([ 11.0; 4.0; 4.0 ], values (grads d [ a; b; c ]))
    Assert.Equal(7.0, item (grad (a * stopGradient c) a))

let private rational () =
    let a, b = variable "a" 230.3, variable "b" 33.2
    a, b, (a / b - a) * (b / a + a + b) * (a - b)

[<Fact>]
let ``S2 and S3: a rational function and its gradient`` () =
    let a, b, f = rational ()
    prints -11606907.023945786 (item f)
    prints -153284.83150602411 (item (grad f a))
    prints 3815.0389441500993 (item (grad f b))
    // The printed derivative is itself that far from the true one.
    relative 1e-15 -153284.83150602411185 (item (grad f a))
    relative 1e-15 3815.0389441500966565 (item (grad f b))

[<Fact>]
let ``S4: its second derivatives`` () =
    let a, b, f = rational ()
    let byA, byB = grad f a, grad f b
    relative 1e-14 -1340.1795180722892 (item (grad byA a))
    relative 1e-13 -79.95537632457541 (item (grad byA b))
    relative 1e-13 -79.95537632457541 (item (grad byB a))
    relative 1e-14 1130.1711479427654 (item (grad byB b))

let private transcendental () =
    let a, b, c = variable "a" 43.0, variable "b" 3.0, variable "c" 2.0
    [ a; b; c ], log ((sin (a * b) + exp (c - a / b)) ** 2.0) * c

[<Fact>]
let ``S6: a transcendental function and its gradient`` () =
    let xs, f = transcendental ()
    prints -6.570552160978623 (item f)
    List.iter2 prints [ 60.85353612046653; 872.2331479536114; -3.2853671032530305 ] (values (grads f xs))

[<Fact>]
let ``S5 and S7: the derivatives are closer to the truth than the printed forward differences`` () =
    let a, b, f = rational ()
    let xs, g = transcendental ()
    let truth =
        [ -153284.83150602411185
          3815.0389441500966565
          60.853536120466533
          872.23314795361144
          -3.2853671032530309 ]
    let differences =
        [ -153284.89243984222
          3815.069794654846
          60.85352186602222
          872.232160009645
          -3.285367089489455 ]
    for truth, difference, derivative in List.zip3 truth differences (values (grads f [ a; b ] @ grads g xs)) do
        Assert.True(1e6 * abs (derivative - truth) < abs (difference - truth))

[<Fact>]
let ``S8: the losses of a linear layer fitted to noise`` () =
    let source = MersenneTwister.NumPy 0
    let x, y =
        constant (array source.Uniform [ 50 ]), constant (array source.Uniform [ 10 ])
    let w = variableOf "w" (array source.Uniform [ 50; 10 ])
    let loss = sum (square (y - einsum "i,ij->j" [ x; w ]))
    let next = w - 0.001 * grad loss w
    let losses =
        [ for _ in 1..100 do
              let loss = item loss
              assign w (eval next)
              loss ]
    for iteration, expected in
        [ 1, 1711.1598338302542
          2, 1589.0079167896924
          10, 878.6378927120544
          50, 45.41813210549189
          100, 1.1194467618273092 ] do
        relative 1e-13 expected losses[iteration - 1]

// ---- An operation of one's own (O) --------------------------------------------------------------------------------------

[<Fact>]
let ``O1: a product of matrices, as a built-in operation and as one supplied by the caller`` () =
    let x, y =
        matrix "x" [ [ 1.0; 2.0; 3.0 ] ], matrix "y" [ [ 0.0 ]; [ 1.0 ]; [ 1.0 ] ]
    let own =
        customOp
            "product"
            (fun xs -> Shape [| xs[0].Shape[0]; xs[1].Shape[1] |])
            (fun xs -> eval (einsum "ij,jk->ik" [ constant xs[0]; constant xs[1] ]))
            (fun xs _ g -> [ einsum "ik,jk->ij" [ g; xs[1] ]; einsum "ij,ik->jk" [ xs[0]; g ] ])
    for z in [ einsum "ij,jk->ik" [ x; y ]; own [ x; y ] ] do
        Assert.Equal(5.0, item z)
        Assert.Equal<float>([| 0.0; 1.0; 1.0 |], numbers (grad z x))
        Assert.Equal<float>([| 1.0; 2.0; 3.0 |], numbers (grad z y))

// ---- Vertices, vectors, matrices (J) --------------------------------------------------------------------------------------

[<Fact>]
let ``J5: the reference generators`` () =
    let take n draw = List.init n (fun _ -> draw ())
    let source = MersenneTwister.Python 42
    Assert.Equal<float list>(
        [ 0.6394267984578837; 0.025010755222666936; 0.27502931836911926 ],
        take 3 source.Uniform
    )
    let source = MersenneTwister.Python 42
    let between () = source.Uniform(-1.0, 1.0)
    Assert.Equal<float list>([ 0.2788535969157675; -0.9499784895546661; -0.4499413632617615 ], take 3 between)
    let expected =
        [ -0.14409032957792836
          -0.1729036003315193
          -0.11131586156766246
          0.7019837250988631 ]
    List.iter2 prints expected (take 4 (MersenneTwister.Python 42).Gauss)
    let source = MersenneTwister.NumPy 0
    Assert.Equal<float list>(
        [ 0.5488135039273248; 0.7151893663724195; 0.6027633760716439 ],
        take 3 source.Uniform
    )

[<Fact>]
let ``J7: gradients of a quotient and of products, with zeros among the factors`` () =
    let x, y, z = variable "x" 6.0, variable "y" 2.0, vector "z" [ 2.0; 3.0; 4.0 ]
    Assert.Equal<float list>([ 0.5; -1.5 ], values (grads (x / y) [ x; y ]))
    Assert.Equal<float>([| 12.0; 8.0; 6.0 |], numbers (grad (prod z) z))
    let withZero = vector "z" [ 5.0; 0.0 ]
    Assert.Equal<float>([| 0.0; 5.0 |], numbers (grad (prod withZero) withZero))

[<Fact>]
let ``J7: products of vectors and matrices`` () =
    let a, b =
        matrix "a" [ [ 1.0; 2.0 ]; [ 3.0; 4.0 ] ], matrix "b" [ [ 5.0; 6.0 ]; [ 7.0; 8.0 ] ]
    Assert.Equal(32.0, item (einsum "i,i->" [ vector "u" [ 1.0; 2.0; 3.0 ]; vector "v" [ 4.0; 5.0; 6.0 ] ]))
    Assert.Equal<float>([| 19.0; 22.0; 43.0; 50.0 |], numbers (einsum "ij,jk->ik" [ a; b ]))
    Assert.Equal<float>([| 17.0; 39.0 |], numbers (einsum "ij,j->i" [ a; vector "v" [ 5.0; 6.0 ] ]))
    let c, d =
        matrix "c" [ [ 1.0; 2.0; 3.0 ]; [ 4.0; 5.0; 6.0 ] ], matrix "d" [ [ 7.0 ]; [ 8.0 ]; [ 9.0 ] ]
    Assert.Equal<float>([| 50.0; 122.0 |], numbers (einsum "ij,jk->ik" [ c; d ]))

/// Where three steps on x² from 1 lead.
let private descent (optimizer: GradientTransformation) =
    let x = variable "x" 1.0
    let plan = new TrainingPlan([| x |], (fun _ -> square x), optimizer)
    List.init 3 (fun _ ->
        plan.Run() |> ignore
        item x)

[<Fact>]
let ``J: three steps of each optimiser on x² from 1 with rate 0.1`` () =
    List.iter2 prints [ 0.9000000005; 0.8004122286917928; 0.7015862729460303 ] (descent (Optimize.adam 0.1))
    List.iter2 (relative 1e-14) [ 0.8; 0.46; 0.062 ] (descent (Optimize.momentum 0.1 0.9)) // 0.46 − 0.398 cancels
    List.iter2
        prints
        [ 0.9000000005; 0.8331035275658407; 0.7804561822187429 ]
        (descent (Optimize.adagrad 0.1))
    List.iter2
        prints
        [ 0.683772238983162; 0.498870613507054; 0.36918056029155977 ]
        (descent (Optimize.rmsprop 0.1))
