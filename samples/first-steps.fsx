// The first steps with Diff: values, derivatives as graphs, gradients. dotnet fsi samples/first-steps.fsx
#load "load.fsx"
#nowarn "3391" // numbers and arrays of numbers are converted to NDArray

open Diff

let x, y = variable "x" 3.0, variable "y" 4.0
let z = x * y + exp (x + 3.0)
printfn $"z = {z} = {item z}"

// A derivative is a graph like any other: it prints as a formula and has derivatives itself.
let dz = grad z x
printfn $"dz/dx = {dz} = {item dz}"
printfn $"d²z/dx² = {grad dz x} = {item (grad dz x)}"

// Several at once, of inner values too.
let product = x * y
let area = product * product
printfn "gradients: %A" (grads area [ x; y; product ] |> List.map item)

// Leaves can be given another value.
assign x 5.0
printfn $"with x = 5: z = {item z}, dz/dx = {item dz}"

// Arrays: one operation, einsum, contains all products of arrays.
let a = tensor "a" [ 2; 3 ] [| 1.0; 2.0; 3.0; 4.0; 5.0; 6.0 |]
let b = tensor "b" [ 3; 2 ] [| 1.0; 0.0; 0.0; 1.0; 1.0; 1.0 |]
let c = einsum "ij,jk->ik" [ a; b ]
printfn $"a·b = {eval c}"
printfn $"the gradient of its sum with respect to a = {eval (grad (sum c) a)}"

// Minimising a function of two variables by Newton's method: a step is ordinary code.
let p = tensor "p" [ 2 ] [| -1.2; 1.0 |]
let u, v = at 0 0 p, at 0 1 p
let rosenbrock = square (1.0 - u) + 100.0 * square (v - square u)
let g, h = grad rosenbrock p, hessian rosenbrock p

for _ in 1..6 do
    let values (e: Expr) = (eval e).ToArray<float>()
    let p0, g, h = values p, values g, values h
    let det = h[0] * h[3] - h[1] * h[2]
    let next =
        [| p0[0] - (h[3] * g[0] - h[1] * g[1]) / det
           p0[1] - (h[0] * g[1] - h[2] * g[0]) / det |]
    assign p next
    printfn $"rosenbrock at {eval p} is {item rosenbrock}"
