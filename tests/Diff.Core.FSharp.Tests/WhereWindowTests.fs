/// What a branch that is not taken would give comes back through no convolution, no pooling, and no operation of the caller's own.
module WhereWindowTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

/// A function of an array whose first row may be undefined, and the same sums with weights 1: which results read that row.
let private reading (f: Expr -> Expr) (count: Expr -> Expr) =
    let isSafe (x: Expr) =
        equal (count (cast DType.Float64 (logicalNot (greater x (scalar 0.0))))) (scalar 0.0)
    f, isSafe

/// Weights of some shape, made of the rows that are alive.
let private weights (shape: int list) (x: Expr) =
    let count = List.fold (*) 1 shape
    let alive = reshape [ 4 ] (slice 0 (Some 1) None 1 x)
    let terms =
        constant (NDArray.Create(Array.init (4 * count) (fun i -> cos (float i)), Shape [| count; 4 |]))
    reshape shape (sin (matmul terms alive))

let private ones (shape: int list) = full shape DType.Float64 1.0

let private convolved (axes: int list) (kernel: int list) f (apply: Expr -> Expr -> Expr) =
    let arranged x = reshape axes (transpose x)
    reading (fun x -> apply (weights kernel x) (arranged (f x))) (fun dead ->
        apply (ones kernel) (arranged dead))

/// Rows stay rows, of the array's first axis or of the first spatial one.
let private inRows (axes: int list) (kernel: int list) f (apply: Expr -> Expr -> Expr) =
    let arranged x = reshape axes x
    reading (fun x -> apply (weights kernel x) (arranged (f x))) (fun dead ->
        apply (ones kernel) (arranged dead))

/// The same with more columns, so that windows along them overlap.
let private inWideRows (axes: int list) (kernel: int list) f (apply: Expr -> Expr -> Expr) =
    let arranged y = reshape axes (concat 1 [ y; y * y ])
    reading (fun x -> apply (weights kernel x) (arranged (f x))) (fun dead ->
        apply (ones kernel) (arranged dead))

let private valid = Padding.Valid

let private guarded: (string * ((Expr -> Expr) * (Expr -> Expr))) list =
    [ "windows of two", convolved [ 1; 2; 3 ] [ 2; 2; 2 ] log conv
      "one channel each", convolved [ 2; 1; 3 ] [ 1; 1; 2 ] sqrt conv
      "padded windows with a stride",
      convolved [ 1; 2; 3 ] [ 2; 2; 2 ] log (convWith [ 2 ] (Padding.Around 1) [] 1)
      "windows side by side", convolved [ 1; 2; 3 ] [ 1; 2; 1 ] log (convWith [ 1 ] valid [] 1)
      "windows with gaps",
      convolved [ 1; 2; 3 ] [ 2; 2; 2 ] (fun x -> 1.0 / x) (convWith [] (Padding.Around 1) [ 2 ] 1)
      "groups of channels", convolved [ 1; 2; 3 ] [ 4; 1; 2 ] log (convWith [] Padding.Same [] 2)
      "a batch with a bad example", inRows [ 3; 1; 2 ] [ 2; 1; 2 ] log (convWith [] (Padding.Around 1) [] 1)
      "two spatial axes", inWideRows [ 1; 1; 3; 4 ] [ 2; 1; 2; 2 ] log conv
      "two spatial axes, padded",
      inWideRows [ 1; 1; 3; 4 ] [ 2; 1; 2; 2 ] sqrt (convWith [ 1; 2 ] Padding.Same [] 1)
      "two spatial axes, one of them cut into parts",
      inWideRows [ 1; 1; 3; 4 ] [ 2; 1; 2; 2 ] log (convWith [ 1; 2 ] valid [] 1)
      "three spatial axes", inWideRows [ 1; 1; 3; 2; 2 ] [ 2; 1; 2; 2; 1 ] log conv
      "convolutions of convolutions",
      inWideRows [ 1; 1; 3; 4 ] [ 1; 1; 2; 1 ] log (fun k x ->
          conv (reshape [ 1; 1; 1; 2 ] k) (sqrt (square (conv k x))))
      "kernels of which a part is undefined",
      (let arranged x = reshape [ 3; 1; 2 ] x
       reading (fun x -> conv (arranged (log x)) (weights [ 1; 1; 4 ] x)) (fun dead ->
           conv (arranged dead) (ones [ 1; 1; 4 ])))
      "kernels and arrays that are undefined",
      (let kernel x = reshape [ 3; 1; 2 ] x
       let array x = reshape [ 1; 1; 6 ] x
       reading (fun x -> conv (kernel (log x)) (array (1.0 / x))) (fun dead ->
           conv (kernel dead) (ones [ 1; 1; 6 ]) + conv (ones [ 3; 1; 2 ]) (array dead)))
      "transposed", convolved [ 1; 2; 3 ] [ 2; 2; 2 ] log convTranspose
      "transposed with a stride",
      convolved [ 1; 2; 3 ] [ 2; 2; 3 ] log (convTransposeWith [ 2 ] (Padding.Around 1) [ 1 ] [] 1)
      "transposed, side by side",
      convolved [ 1; 2; 3 ] [ 2; 1; 2 ] log (convTransposeWith [ 2 ] valid [] [] 1)
      "transposed with gaps and groups",
      convolved [ 1; 2; 3 ] [ 2; 2; 2 ] sqrt (convTransposeWith [] valid [] [ 2 ] 2)
      "transposed along two axes", inWideRows [ 1; 1; 3; 4 ] [ 1; 2; 2; 2 ] log convTranspose
      "transposed after a convolution",
      inWideRows [ 1; 1; 3; 4 ] [ 1; 1; 2; 2 ] log (fun k x -> convTranspose k (square (conv k x)))
      "mean pooling after a convolution",
      inWideRows [ 1; 1; 3; 4 ] [ 1; 1; 2; 1 ] log (fun k x -> avgPoolWith [ 1; 2 ] [] valid (conv k x))
      "mean pooling of what is convolved",
      inWideRows [ 1; 1; 3; 4 ] [ 1; 1; 1; 2 ] log (fun k x -> conv k (avgPoolWith [ 2; 1 ] [ 1; 1 ] valid x))
      "mean pooling, windows that overlap",
      inWideRows [ 1; 1; 3; 4 ] [ 1 ] log (fun _ x -> avgPoolWith [ 2; 2 ] [ 1; 1 ] valid x)
      "pooling of the largest",
      reading
          (fun x ->
              maxPoolWith [ 2; 2 ] [ 1; 1 ] valid [] (reshape [ 1; 1; 3; 2 ] (log x))
              |> fun y -> y * y)
          (fun dead -> maxPoolWith [ 2; 2 ] [ 1; 1 ] valid [] (reshape [ 1; 1; 3; 2 ] dead))
      "pooling of the largest after a convolution",
      inWideRows [ 1; 1; 3; 4 ] [ 1; 1; 2; 1 ] log (fun k x -> maxPoolWith [ 1; 2 ] [] valid [] (conv k x))
      "windows flattened into a product",
      reading (fun x -> matmul (reshape [ 2; 4 ] (unfold 0 2 1 1 (log x))) (weights [ 4; 2 ] x)) (fun dead ->
          matmul (reshape [ 2; 4 ] (unfold 0 2 1 1 dead)) (ones [ 4; 2 ])) ]

let windowCases = TheoryData<string>(guarded |> List.map fst)

[<Theory; MemberData(nameof windowCases)>]
let ``nothing of the branch not taken comes back through windows`` (name: string) =
    let f, isSafe = guarded |> List.find (fst >> (=) name) |> snd
    WhereTests.checkRows f isSafe

/// What is stored for some derivatives, in elements; windows are a view.
let private stored (roots: Expr list) : Expr[] =
    Array.ofList roots
    |> Simplify.run
    |> Graph.map Contraction.lower
    |> Graph.topological
    |> Array.filter (fun node -> node.Args.Length > 0 && not node.Op.IsUnfold)

let private layers: (string * (Expr -> Expr -> Expr)) list =
    [ for stride, dilation in [ 1, 1; 2, 1; 1, 2; 3, 1 ] do
          $"conv {stride} {dilation}",
          (fun w x -> convWith [ stride ] (Padding.Around 1) [ dilation ] 1 (reshape [ 4; 16; 3; 3 ] w) x)
          $"transposed {stride} {dilation}",
          (fun w x ->
              convTransposeWith [ stride ] (Padding.Around 1) [] [ dilation ] 1 (reshape [ 16; 4; 3; 3 ] w) x)
      "groups", (fun w x -> convWith [] Padding.Same [] 4 (reshape [ 16; 4; 3; 3 ] w) x)
      "mean pooling", (fun _ x -> avgPoolWith [ 3 ] [ 1 ] (Padding.Around 1) x)
      "mean pooling with a stride", (fun _ x -> avgPoolWith [ 3 ] [ 2 ] (Padding.Around 1) x) ]

let layerCases = TheoryData<string>(layers |> List.map fst)

[<Theory; MemberData(nameof layerCases)>]
let ``a masked convolution stores no windows`` (name: string) =
    let layer = layers |> List.find (fst >> (=) name) |> snd
    let x, w =
        input "x" [ 2; 16; 20; 21 ] DType.Float32, input "w" [ 16 * 36 ] DType.Float32
    for f in [ id; sqrt ] do
        let y = layer (sqrt w) (f x)
        let m = input "m" (List.ofArray (y.Shape.ToArray())) DType.Bool
        let derivatives loss =
            let first = [ grad loss x ]
            first, [ grad (sum (square first.Head)) x ]
        let first, second = derivatives (sum (square y))
        let masked, maskedTwice = derivatives (sum (where m (square y) (zerosLike y)))
        for plain, masked in [ first, masked; second, maskedTwice ] do
            let largest =
                stored plain |> Seq.map _.Shape.Length |> Seq.max |> max (2 * 16 * 26 * 27)
            for node in stored masked do
                Assert.True(
                    node.Shape.Length <= largest,
                    $"{node.Op} of shape {node.Shape} from {node.Args[0].Op} {node.Args[0].Shape}, not {largest}"
                )
