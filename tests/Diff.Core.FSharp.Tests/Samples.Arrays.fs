/// Samples of the words along axes: recurrences, orders, elements by indices, Fourier transforms.
module Diff.Testing.ArraySamples

open Diff
open Diff.Testing.Generators

let private any = -2.0, 2.0
let private some = spread 1 any
let private more = spread 2 any
let private ints (values: int list) (shape: int list) =
    NDArray.Create(Array.ofList values, Shape(Array.ofList shape))

/// Name, points and function of each sample of a word; they become rows of the table in Samples.fs.
let ofOp (case: string) : (string * NDArray list * (Expr list -> Expr)) list =
    match case with
    | "Recurrence" ->
        [ for shape, axis in
              [ [ 4 ], 0
                [ 1 ], 0
                [ 0 ], 0
                [ 3; 2 ], 0
                [ 2; 3 ], 1
                [ 2; 3; 2 ], -2
                [ 2; 0; 2 ], 1 ] do
              for reverse in [ false; true ] do
                  $"{shape} along {axis}, reverse {reverse}",
                  [ some shape; more shape ],
                  fun xs -> linearRecurrenceWith axis reverse xs[0] xs[1]
          "of one array", [ some [ 4 ] ], (fun xs -> linearRecurrence 0 xs[0] xs[0])
          "with one factor", [ some []; more [ 4 ] ], (fun xs -> linearRecurrence 0 xs[0] xs[1])
          "with one factor, from the end",
          [ some []; more [ 2; 3 ] ],
          (fun xs -> linearRecurrenceWith 1 true xs[0] xs[1])
          "with one factor, of nothing",
          [ some []; more [ 2; 0 ] ],
          (fun xs -> linearRecurrence 1 xs[0] xs[1])
          "with broadcast factors", [ some [ 3 ]; more [ 2; 3 ] ], (fun xs -> linearRecurrence 0 xs[0] xs[1])
          "with a constant factor", [ more [ 2; 3 ] ], (fun xs -> exponentialMovingAverage 1 0.7 xs[0])
          "with an initial state",
          [ some [ 2 ]; more [ 3; 2 ]; some [ 3; 2 ] ],
          (fun xs -> linearRecurrenceFrom 0 xs[0] xs[1] xs[2])
          "sums", [ some [ 2; 5 ] ], (fun xs -> cumsum 1 xs[0])
          "sums from the end, exclusive", [ some [ 5; 2 ] ], (fun xs -> cumsumWith 0 true true xs[0])
          "products", [ some [ 2; 4 ] ], (fun xs -> cumprod 1 xs[0])
          "products with zeros",
          [ ints [ 1; 0; 1; 0; 1 ] [ 5 ]; some [ 5 ] ],
          (fun xs -> cumprod 0 (cast DType.Float64 xs[0] * xs[1]))
          "products from the end, exclusive", [ some [ 4; 2 ] ], (fun xs -> cumprodWith 0 true true xs[0])
          "logarithms of sums", [ some [ 2; 4 ] ], (fun xs -> cumlogsumexp 1 xs[0])
          "logarithms of sums from the end", [ some [ 4 ] ], (fun xs -> cumlogsumexpWith 0 true false xs[0]) ]
    | "ArgRunning" ->
        [ "largest", [ some [ 2; 5 ] ], (fun xs -> cummax 1 (square xs[0] + xs[0]))
          "smallest", [ some [ 5; 2 ] ], (fun xs -> cummin 0 xs[0] * xs[0])
          "of one", [ some [ 1 ] ], (fun xs -> cummax 0 xs[0]) ]
    | "ArgSort" ->
        [ "sort", [ some [ 2; 5 ] ], (fun xs -> sort 1 xs[0])
          "sort descending", [ some [ 5; 2 ] ], (fun xs -> sortDescending 0 (square xs[0] * xs[0]))
          "places", [ some [ 4 ] ], (fun xs -> cast DType.Float64 (argsort 0 xs[0]) * xs[0])
          "largest", [ some [ 2; 5 ] ], (fun xs -> let values, _ = topK 2 1 xs[0] in values)
          "median", [ some [ 2; 4 ] ], (fun xs -> median 1 xs[0])
          "quantiles", [ some [ 5; 2 ] ], (fun xs -> quantiles [ 0.1; 0.5; 1.0 ] 0 xs[0])
          "of nothing", [ some [ 2; 0 ] ], (fun xs -> sort 1 xs[0]) ]
    | "SearchSorted" ->
        [ for right in [ false; true ] do
              $"right {right}",
              [ some [ 2; 3 ]; spread 3 (-1.5, 1.5) [ 4 ] ],
              fun xs ->
                  cast DType.Float64 (searchSorted right (stopGradient (sort 0 xs[1])) xs[0])
                  * xs[0]
          "in lines",
          [ some [ 2; 3 ]; more [ 2; 4 ] ],
          fun xs -> cast DType.Float64 (searchSorted false (sort 1 xs[1]) xs[0]) * xs[0] ]
    | "TakeAlong" ->
        [ "rows", [ some [ 3; 2 ]; ints [ 2; 0; 2; -1 ] [ 2; 2 ] ], (fun xs -> takeAlong 0 xs[1] xs[0])
          "columns", [ some [ 2; 3 ]; ints [ 1; 1; 0; -3 ] [ 2; 2 ] ], (fun xs -> takeAlong 1 xs[1] xs[0])
          "the same for all rows",
          [ some [ 2; 3 ]; ints [ 1; 0 ] [ 1; 2 ] ],
          (fun xs -> takeAlong -1 xs[1] xs[0])
          "nothing", [ some [ 2; 3 ]; ints [] [ 2; 0 ] ], (fun xs -> takeAlong 1 xs[1] xs[0])
          "of three axes",
          [ some [ 2; 3; 2 ]; ints [ 1; 0; 2; 2 ] [ 2; 1; 2 ] ],
          (fun xs -> takeAlong 1 xs[1] xs[0]) ]
    | "AddAlong" ->
        [ "rows",
          [ some [ 3; 2 ]; more [ 4; 2 ]; ints [ 2; 0; 2; -1; 0; 0; 1; 1 ] [ 4; 2 ] ],
          (fun xs -> addAlong 0 xs[2] xs[1] xs[0])
          "columns",
          [ some [ 2; 3 ]; more [ 2; 1 ]; ints [ 1; -1 ] [ 2; 1 ] ],
          (fun xs -> addAlong 1 xs[2] xs[1] xs[0])
          "nothing",
          [ some [ 2; 3 ]; more [ 2; 0 ]; ints [] [ 2; 0 ] ],
          (fun xs -> addAlong 1 xs[2] xs[1] xs[0]) ]
    | "Fourier" ->
        [ for n in [ 1; 2; 3; 4; 5; 6; 7; 37 ] do
              $"of {n}", [ some [ n; 2 ] ], (fun xs -> fft xs[0])
          "back, of lines", [ some [ 2; 3; 2 ] ], (fun xs -> ifft xs[0])
          "of nothing", [ some [ 0; 2 ] ], (fun xs -> fft xs[0])
          "of two axes", [ some [ 2; 3; 2 ] ], (fun xs -> fft2 xs[0])
          "real", [ some [ 2; 5 ] ], (fun xs -> rfft xs[0])
          "back to real", [ some [ 4; 2 ] ], (fun xs -> irfft 6 xs[0])
          "back to real, odd", [ some [ 4; 2 ] ], (fun xs -> irfft 7 xs[0])
          "a convolution", [ some [ 5 ]; more [ 3 ] ], (fun xs -> fftConvolve xs[1] xs[0]) ]
    | _ -> []
