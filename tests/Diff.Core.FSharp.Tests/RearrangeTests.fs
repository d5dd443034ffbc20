/// Patterns of axes and axes with names, against index arithmetic and against operations by number.
module RearrangeTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private variableOfShape (dims: int list) seed =
    variableOf "x" (spread seed (-1.0, 1.0) dims)

let private same (expected: Expr) (actual: Expr) =
    Assert.Equal(expected.Shape, actual.Shape)
    let a, b = floats (eval expected), floats (eval actual)
    Array.iter2 (fun (x: float) y -> Assert.Equal(x, y, 1e-13)) a b

[<Fact>]
let ``axes taken apart, reordered, composed`` () =
    let x = variableOfShape [ 2; 6; 4; 3 ] 1
    let check pattern extents expected =
        same expected (rearrange pattern extents x)
    check "b c h w -> b c h w" [] x
    check "b c h w->w b (h c)" [] (permute [ 3; 0; 2; 1 ] x |> reshape [ 3; 2; 24 ])
    check
        "b (c r) h w -> b (r c) (h w)"
        [ "r", 3 ]
        (reshape [ 2; 2; 3; 4; 3 ] x |> permute [ 0; 2; 1; 3; 4 ] |> reshape [ 2; 6; 12 ])
    check
        "b c (h h2) w -> b (c h2) h w"
        [ "h2", 2 ]
        (reshape [ 2; 6; 2; 2; 3 ] x
         |> permute [ 0; 1; 3; 2; 4 ]
         |> reshape [ 2; 12; 2; 3 ])
    check "... w -> w ..." [] (moveAxis 3 0 x)
    check "b ... -> b (...)" [] (reshape [ 2; 72 ] x)
    check "b ... w -> (w ...) b" [] (permute [ 3; 1; 2; 0 ] x |> reshape [ 72; 2 ])
    check "b c h w -> b 1 c (h w) () " [] (reshape [ 2; 1; 6; 12; 1 ] x)
    check "a b c d ... -> a b c d ..." [] x
    let thin = reshape [ 2; 1; 6; 12 ] x
    same (reshape [ 12; 12 ] x) (rearrange "b 1 c p -> (b c) p" [] thin)
    same (reshape [] (variableOfShape [ 1 ] 3)) (rearrange "1 -> " [] (variableOfShape [ 1 ] 3))

[<Fact>]
let ``what a pattern does, another undoes, and derivatives follow`` () =
    let x = variableOfShape [ 2; 6; 4 ] 1
    let there = rearrange "b (c d) h -> h (d b) c" [ "d", 2 ]
    let back = rearrange "h (d b) c -> b (c d) h" [ "b", 2 ]
    same x (back (there x))
    let w = constant (spread 3 (-1.0, 1.0) [ 4; 4; 3 ])
    same (back w) (grad (sum (there x * w)) x)

[<Fact>]
let ``reduced along what stands only on the left`` () =
    let x = variableOfShape [ 2; 3; 4; 6 ] 1
    let windows = reshape [ 2; 3; 2; 2; 2; 3 ] x
    same (meanOver [ 3; 5 ] windows) (reduceTo Aggregate.Mean "b c (h 2) (w 3) -> b c h w" [] x)
    same
        (reduceMaxOver [ 3; 5 ] windows)
        (reduceTo Aggregate.Max "b c (h i) (w j) -> b c h w" [ "i", 2; "j", 3 ] x)
    same (transpose (sumOver [ 1; 2 ] x)) (reduceTo Aggregate.Sum "b c h w -> w b" [] x)
    same (reduceMin x) (reduceTo Aggregate.Min "... -> " [] x)
    same (prodOver [ 0 ] x) (reduceTo Aggregate.Prod "b ... -> ..." [] x)
    same (logsumexpKeeping [ 3 ] x) (reduceTo Aggregate.LogSumExp "b c h w -> b c h 1" [] x)
    same x (reduceTo Aggregate.Sum "a b c d -> a b c d" [] x)

[<Fact>]
let ``repeated along what stands only on the right`` () =
    let x = variableOfShape [ 2; 3 ] 1
    same (repeatElements 2 1 x) (repeatTo "h w -> h (w times)" [ "times", 2 ] x)
    same (tile [ 1; 2 ] x) (repeatTo "h w -> h (times w)" [ "times", 2 ] x)
    same (broadcastTo [ 4; 2; 3 ] x) (repeatTo "h w -> 4 h w" [] x)
    same (tile [ 3; 1 ] (transpose x)) (repeatTo "h w -> (3 w) h" [] x)
    same (Expr.Full(4.0, x.Shape, DType.Float64)) (grad (sum (repeatTo "... -> 4 ..." [] x)) x)

[<Fact>]
let ``errors name the pattern, the place and the axis`` () =
    let x = variableOfShape [ 2; 6; 4 ] 1
    let fails (f: string -> (string * int) list -> Expr -> Expr) pattern extents (fragments: string list) =
        let e = Assert.Throws<ShapeException>(fun () -> f pattern extents x |> ignore)
        for fragment in pattern :: fragments do
            Assert.Contains(fragment, e.Message)
    fails rearrange "a b c" [] [ "expected '->'" ]
    fails rearrange "a b -> b a" [] [ "2 axes are named"; "(2, 6, 4)" ]
    fails rearrange "a b c d ... -> a b c d ..." [] [ "at least 4"; "column 9" ]
    fails rearrange "a b c -> a b" [] [ "axis 'c'"; "column 5"; "reduce" ]
    fails rearrange "a b c -> a b c d" [] [ "axis 'd'"; "column 16"; "only on the right" ]
    fails rearrange "a b a -> a b" [] [ "axis 'a'"; "twice"; "column 5" ]
    fails rearrange "a (b d) c -> a b d c" [] [ "'b' and 'd'"; "(b d)"; "column 3" ]
    fails rearrange "a (b d) c -> a b d c" [ "b", 4 ] [ "axis 1"; "6 elements"; "4 do not divide"; "'d'" ]
    fails rearrange "a b c -> a b c" [ "b", 5 ] [ "b has 5"; "axis 1"; "6" ]
    fails rearrange "a b c -> a b c" [ "z", 5 ] [ "'z'" ]
    fails rearrange "a b c -> a b c" [ "b", 6; "b", 6 ] [ "'b'"; "twice" ]
    fails rearrange "a (b c -> a b c" [] [ "column 3"; "not closed" ]
    fails rearrange "a b) c -> a b c" [] [ "column 4" ]
    fails rearrange "a ((b) c) -> a b c" [] [ "column 4"; "nest" ]
    fails rearrange "a b,c -> a b c" [] [ "','"; "column 4" ]
    fails rearrange "a b c -> a b -> c" [] [ "'-'" ]
    fails rearrange "a (b ...) -> a b" [] [ "parentheses"; "column 3" ]
    fails rearrange "a b c -> ... c" [] [ "'...'"; "column 10" ]
    fails rearrange "a (b 3) c -> a b c" [] [ "3 elements"; "column 6" ]
    fails rearrange "a b 1 -> a b" [] [ "axis 2"; "column 5" ]
    fails (reduceTo Aggregate.Sum) "a b c -> a z" [] [ "'z'"; "only on the right" ]
    fails repeatTo "a b c -> a b c d" [] [ "'d'"; "extent" ]
    fails repeatTo "a b c -> a b" [] [ "'c'" ]
    fails repeatTo "a b c -> a b c 0" [] [ "at least 1" ]

// ---- Names ----------------------------------------------------------------------------------------------------------

let private x = variableOf "x" (spread 1 (0.5, 2.0) [ 2; 5; 3 ])
let private w = variableOf "w" (spread 2 (0.5, 2.0) [ 3; 4 ])
let private b = variableOf "b" (spread 3 (0.5, 2.0) [ 5; 2 ])
let private named = x |> Named.ofExpr [ "batch"; "time"; "in" ]
let private kernel = w |> Named.ofExpr [ "in"; "out" ]
let private bias = b |> Named.ofExpr [ "time"; "batch" ]

[<Fact>]
let ``operators align by name, whatever the order of axes`` () =
    let turned = expandDims 2 (transpose b)
    same (x + turned) (named + bias).Expr
    same (x - turned) (named - bias).Expr
    same (x * turned) (named * bias).Expr
    same (x / turned) (named / bias).Expr
    same (moveAxis 2 0 (turned - x) |> permute [ 2; 1; 0 ]) (bias - named).Expr
    same (2.0 * x - 1.0) (2.0 * named - 1.0).Expr
    same (maximum x turned) (Named.map2 maximum named bias).Expr
    Assert.Equal<string list>([ "batch"; "time"; "in"; "out" ], List.ofSeq (named + kernel).Names)
    Assert.Equal(Shape [| 2; 5; 3; 4 |], (named + kernel).Expr.Shape)
    Assert.Equal("float64(in 3, out 4)", string kernel)

[<Fact>]
let ``reductions, contraction and functions along axes by name`` () =
    same (sumOver [ 1 ] x) (Named.sum [ "time" ] named).Expr
    same (mean x) (named.Mean()).Expr
    same (reduceMaxOver [ 0; 2 ] x) (named |> Named.max [ "in"; "batch" ]).Expr
    same (matmul x w) (Named.contract [ "in" ] [ named; kernel ]).Expr
    same (einsum "bti,io,tb->to" [ x; w; b ]) (Named.contract [ "in"; "batch" ] [ named; kernel; bias ]).Expr
    same (cumsum 1 x) (named |> Named.along "time" cumsum).Expr
    same (exp x) (Named.map exp named).Expr
    same (permute [ 2; 0; 1 ] x) (named |> Named.unwrap [ "in"; "batch"; "time" ])
    same (at 1 -1 x) (named |> Named.at "time" -1).Expr
    same (slice 1 (Some 1) (Some 3) 1 x) (named.Slice("time", 1, 3)).Expr
    let apart = kernel.Split("out", "head", 2, "unit")
    same (reshape [ 3; 2; 2 ] w) apart.Expr
    same
        (reshape [ 2; 6 ] (permute [ 1; 0; 2 ] (reshape [ 3; 2; 2 ] w))
         |> rearrange "a (b c) -> a (b c)" [ "b", 3 ])
        (apart.Merge("in", "unit", "out")).Expr
    let loss =
        Named.contract [ "in" ] [ named; kernel ]
        |> Named.sum [ "batch"; "time"; "out" ]
    same (grad (sum (matmul x w)) w) (grad loss.Expr w)
    Assert.Equal(3, (named.Rename("in", "features")).Extent "features")

[<Fact>]
let ``what does not fit is said with axes and operands before anything runs`` () =
    let fails (fragments: string list) (f: unit -> 'T) =
        let e = Assert.ThrowsAny<ArgumentException>(fun () -> f () |> ignore)
        for fragment in fragments do
            Assert.Contains(fragment, e.Message)
    let other = w |> Named.ofExpr [ "time"; "out" ]
    fails [ "add"; "'time'"; "5"; "3"; "batch 2, time 5, in 3"; "time 3, out 4" ] (fun () -> named + other)
    fails [ "contract"; "'time'" ] (fun () -> Named.contract [ "time" ] [ named; other ])
    fails [ "contract"; "'depth'"; "in 3, out 4" ] (fun () -> Named.contract [ "depth" ] [ named; kernel ])
    fails [ "sum"; "'depth'"; "batch 2" ] (fun () -> named |> Named.sum [ "depth" ])
    fails [ "sum"; "twice" ] (fun () -> named |> Named.sum [ "time"; "time" ])
    fails [ "unwrap"; "'in'" ] (fun () -> named |> Named.unwrap [ "time"; "batch" ])
    fails [ "named"; "3 names"; "2: a, b" ] (fun () -> Named.ofExpr [ "a"; "b" ] x)
    fails [ "named"; "'a'"; "two axes" ] (fun () -> Named.ofExpr [ "a"; "a" ] w)
    fails [ "named"; "axis 1"; "empty" ] (fun () -> Named.ofExpr [ "a"; " " ] w)
    fails [ "map"; "(2, 5)" ] (fun () -> Named.map (sumOver [ 2 ]) named)
    fails [ "split"; "'time'"; "5"; "2" ] (fun () -> named.Split("time", "a", 2, "b"))
    fails [ "named"; "'out'" ] (fun () -> kernel |> Named.rename "in" "out")
    fails [ "contract"; "float32" ] (fun () ->
        Named.contract [ "in" ] [ named; Named.map (cast DType.Float32) kernel ])
