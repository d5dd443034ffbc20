/// Nested values, and transforms of functions of them.
module TreeTests

open System
open System.Collections.Generic
open Xunit
open Diff
open Diff.Testing.Generators

type Layer<'A> = { W: 'A; B: 'A option; Name: string }
type Model<'A> = { Layers: Layer<'A> list; Scale: 'A }
[<Struct>]
type Pair<'A> = { First: 'A; Second: 'A }
type Choice<'A> =
    | Plain of 'A
    | Both of left: 'A * right: 'A
    | Nothing

type Opaque(x: Expr) =
    member _.Inner = x

let private leaf seed shape =
    variableOf "x" (spread seed (-1.0, 1.0) shape)

let private model () =
    { Layers =
        [ { W = leaf 1 [ 3; 2 ]
            B = Some(leaf 2 [ 2 ])
            Name = "first" }
          { W = leaf 3 [ 2; 2 ]
            B = None
            Name = "second" } ]
      Scale = leaf 4 [] }

let private apply (m: Model<Expr>) (x: Expr) =
    let step (h: Expr) (l: Layer<Expr>) =
        let z = matmul h l.W
        tanh (
            match l.B with
            | Some b -> z + b
            | None -> z
        )
    m.Scale * List.fold step x m.Layers

let private close (a: Expr) (b: Expr) =
    let a, b = eval a, eval b
    Assert.Equal(a.Shape, b.Shape)
    for x, y in Array.zip (floats a) (floats b) do
        Assert.True(abs (x - y) <= 1e-10 * (1.0 + abs x), $"{x} and {y}")

[<Fact>]
let ``every container is taken apart and put together again`` () =
    let roundTrip (value: 'T) paths =
        let structure = Tree.structure value
        Assert.Equal<string list>(paths, List.ofSeq structure.Paths)
        let again: 'T = Tree.build structure (Tree.leaves value)
        Assert.True(Tree.leaves value = Tree.leaves again)
        Assert.Equal(structure, Tree.structure again)
    let a, b, c = leaf 1 [], leaf 2 [ 2 ], leaf 3 [ 3 ]
    roundTrip a [ "" ]
    roundTrip (a, b, c) [ "0"; "1"; "2" ]
    roundTrip (struct (a, b)) [ "0"; "1" ]
    roundTrip [ a; b ] [ "0"; "1" ]
    roundTrip [| a, b; b, c |] [ "0.0"; "0.1"; "1.0"; "1.1" ]
    roundTrip (List<Expr> [ a; b ]) [ "0"; "1" ]
    roundTrip (Map [ "z", a; "a", b ]) [ "a"; "z" ]
    roundTrip (Dictionary(dict [ 2, a; 1, b ])) [ "1"; "2" ]
    roundTrip (Some a, (None: Expr option), ValueSome b) [ "0.Value"; "2.Item" ]
    roundTrip [ Plain a; Both(a, b); Nothing ] [ "0.Item"; "1.left"; "1.right" ]
    roundTrip { First = a; Second = b } [ "First"; "Second" ]
    roundTrip {| X = a; N = 3; T = "text" |} [ "X" ]
    roundTrip (model ()) [ "Layers.0.W"; "Layers.0.B.Value"; "Layers.1.W"; "Scale" ]
    roundTrip (a, b, c, a, b, c, a, b, c) [ for i in 0..8 -> string i ]

[<Fact>]
let ``structures are equal only with the same nesting, keys and plain data`` () =
    let a, b = leaf 1 [], leaf 2 []
    let same (x: 'T) (y: 'T) =
        let x, y = Tree.structure x, Tree.structure y
        Assert.Equal(x.Equals y, (x.GetHashCode() = y.GetHashCode()))
        x.Equals y
    Assert.True(same (a, 3) (b, 3))
    Assert.False(same (a, 3) (b, 4))
    Assert.False(same [ a ] [ a; b ])
    Assert.False(same (Map [ "x", a ]) (Map [ "y", a ]))
    Assert.False(same (Some a) None)
    let filled (keys: string list) =
        let d = Dictionary<string, Expr>()
        for k in keys do
            d[k] <- a
        d
    Assert.True(same (filled [ "x"; "y" ]) (filled [ "y"; "x" ]))
    Assert.Equal(
        "{First: *, Second: [*, 3]}",
        string (Tree.structure {| First = a; Second = [| a, 3 |] |})
        |> fun s -> s.Replace("(*, 3)", "*, 3")
    )

[<Fact>]
let ``errors name the path of what is no leaf`` () =
    let a = leaf 1 []
    let message (f: unit -> unit) =
        (Assert.ThrowsAny<ArgumentException>(f)).Message
    Assert.Contains("\"1.0\"", message (fun () -> Tree.leaves (a, [ Opaque a ]) |> ignore))
    Assert.Contains("Opaque", message (fun () -> Tree.leaves (a, [ Opaque a ]) |> ignore))
    Assert.Contains("HashSet", message (fun () -> Tree.leaves (HashSet [ a ]) |> ignore))
    let n = constant (NDArray.Create([| 1; 2 |], Shape [| 2 |]))
    Assert.Contains(
        "\"Second\" is int32",
        message (fun () -> gradOf (fun p -> p.First) { First = a; Second = n } |> ignore)
    )
    Assert.Contains("structure", message (fun () -> Tree.map2 (+) [ a ] [ a; a ] |> ignore))
    Assert.Contains(
        "tangents",
        message (fun () -> jvpOf (fun (x, y) -> x * y) (a, a) (a, leaf 1 [ 2 ]) |> ignore)
    )

[<Fact>]
let ``zip, map2 and ravel go leaf by leaf`` () =
    let m, other = model (), model ()
    Assert.Equal(4, (Tree.zip m other).Length)
    let twice = Tree.map2 (+) m other
    for x, y in Tree.zip m twice do
        close (2.0 * x) y
    let vector, back = Tree.ravel m
    Assert.Equal(6 + 2 + 4 + 1, vector.Shape[0])
    for x, y in Tree.zip m (back (3.0 * vector)) do
        close (3.0 * x) y

let private loss x m = sum (square (apply m x))

[<Fact>]
let ``gradients come nested as the argument is`` () =
    let m, x = model (), leaf 7 [ 4; 3 ]
    let value, gradient = valueAndGradOf (loss x) m
    let y = loss x m
    close y value
    Assert.Equal("first", gradient.Layers.Head.Name)
    for expected, actual in List.zip (grads y (Tree.leaves m)) (Tree.leaves gradient) do
        close expected actual

[<Fact>]
let ``a node given twice is two arguments, and what is captured is constant`` () =
    let x = leaf 1 [ 3 ]
    let a, b = gradOf (fun (a, b) -> sum (a * a * b * x)) (x, x)
    close (2.0 * x * x * x) a
    close (x * x * x) b
    // Of a constant, too.
    close (scalar 6.0) (gradOf (fun x -> x * x) (scalar 3.0))

[<Fact>]
let ``transforms of functions agree with those of graphs`` () =
    let m, x = model (), leaf 7 [ 2; 3 ]
    let v = Tree.map (fun e -> sin (3.0 * e) + 0.5) m
    let leaves, vs = Tree.leaves m, Tree.leaves v
    let f m = apply m x
    let y = f m
    let value, tangent = jvpOf f m v
    close y value
    close (jvp y leaves vs) tangent
    let outputs, pullback = vjpOf (fun m -> let y = f m in {| Y = y; S = sum y |}) m
    close y outputs.Y
    let g = cos y
    let cotangents = pullback {| Y = g; S = scalar 2.0 |}
    for a, b in List.zip (vjp y (g + 2.0) leaves) (Tree.leaves cotangents) do
        close a b
    for a, b in List.zip leaves (Tree.leaves (jacobianOf f m)) do
        close (jacobian y a) b
    let l = loss x
    for a, b in List.zip (hvp (l m) leaves vs) (Tree.leaves (hvpOf l m v)) do
        close a b
    let blocks = hessianOf l m
    let vector, back = Tree.ravel m
    let whole = hessian (l (back vector)) vector
    let flat (b: Expr) rows =
        reshape [ rows; b.Shape.Length / rows ] b
    let rows =
        [ for row, leaf in List.zip blocks leaves -> concat 1 [ for b in row -> flat b leaf.Shape.Length ] ]
    close whole (concat 0 rows)

[<Fact>]
let ``transforms compose`` () =
    let m, xs = model (), leaf 7 [ 5; 3 ]
    let lossOf x m = sum (square (apply m (expandDims 0 x)))
    // The gradient for each example, and their sum.
    let each = vmapOf (fun x -> gradOf (lossOf x) m) xs
    let total = gradOf (loss xs) m
    for a, b in Tree.zip total each do
        close a (sumOver [ 0 ] b)
    // grad of vmap.
    let ofMapped = gradOf (fun m -> sum (vmapOf (fun x -> lossOf x m) xs)) m
    for a, b in Tree.zip total ofMapped do
        close a b
    // jvp of grad is the product with the second derivatives, inside a checkpoint too.
    let v = Tree.map cos m
    let expected = hvpOf (loss xs) m v
    let _, forward = jvpOf (gradOf (loss xs)) m v
    let _, kept = jvpOf (gradOf (checkpointOf (loss xs))) m v
    let reverse =
        gradOf
            (fun m ->
                Tree.zip (gradOf (loss xs) m) v
                |> List.map (fun (g, v) -> sum (g * v))
                |> List.reduce (+))
            m
    for other in [ forward; kept; reverse ] do
        for a, b in Tree.zip expected other do
            close a b
    // The third order of a function of a function: nested tangents do not mix.
    let d f x = gradOf f x
    close (scalar 24.0) (d (d (d (fun x -> x * x * x * x))) (scalar 1.0))
    close (scalar 2.0) (d (fun x -> x * d (fun y -> x + y) (scalar 3.0)) (scalar 3.0) + 1.0)

[<Fact>]
let ``derivatives of functions of nested arguments agree with differences to second order`` () =
    let point =
        [| spread 1 (-1.0, 1.0) [ 3; 2 ]
           spread 2 (-1.0, 1.0) [ 2 ]
           spread 3 (0.5, 1.0) [] |]
    let f (xs: Expr[]) =
        let m =
            { Layers = [ { W = xs[0]; B = Some xs[1]; Name = "" } ]
              Scale = xs[2] }
        let g = gradOf (loss (constant (spread 5 (-1.0, 1.0) [ 2; 3 ]))) m
        Tree.leaves g |> List.map (fun e -> sum (e * e)) |> List.reduce (+)
    let report = Check.Gradients(Func<Expr[], Expr> f, point)
    Assert.NotEmpty report.Comparisons
    for c in report.Comparisons do
        Assert.True(c.Digits >= 7.0, string c)

[<Fact>]
let ``compiled functions take arrays in the nesting of expressions`` () =
    let mutable traces = 0
    let f: Layer<NDArray> * NDArray -> Map<string, NDArray> * NDArray =
        compileOf (fun (l: Layer<Expr>, x: Expr) ->
            traces <- traces + 1
            let y = matmul x l.W
            let y = if l.Name = "twice" then 2.0 * y else y
            Map [ "y", y ], sum y)
    let layer name =
        { W = spread 1 (-1.0, 1.0) [ 3; 2 ]
          B = None
          Name = name }
    let x = spread 2 (-1.0, 1.0) [ 4; 3 ]
    let map, total = f (layer "once", x)
    let expected = eval (matmul (constant x) (constant (layer "").W))
    Assert.Equal<float[]>(floats expected, floats map["y"])
    Assert.Equal(Array.sum (floats expected), total.Float 0, 12)
    f (layer "once", x) |> ignore
    Assert.Equal(1, traces)
    let _, doubled = f (layer "twice", x)
    Assert.Equal(2.0 * total.Float 0, doubled.Float 0, 12)
    Assert.Equal(2, traces)
    let wrong: NDArray list -> NDArray = compileOf (fun (a: Expr, b: Expr) -> a + b)
    let error = Assert.ThrowsAny<ArgumentException>(fun () -> wrong [ x; x ] |> ignore)
    Assert.Contains("list", error.Message)
