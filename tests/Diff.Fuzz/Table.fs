/// All operations that the fuzzer knows, by name.
module Diff.Fuzz.Table

open System.Collections.Generic
open Diff
open Diff.Fuzz.Operations

let all: Operation[] = Array.append basic WiderOperations.all

let private byName =
    let table = Dictionary<string, Operation>()
    for o in all do
        table.Add(o.Name, o)
    table

/// What an operation of a program means, if there is one of that name.
let tryMeaning (name: string) : (Attrs -> Expr list -> Expr) voption =
    match byName.TryGetValue name with
    | true, o -> ValueSome o.Build
    | _ -> ValueNone

/// What an operation of a program means.
let meaning (name: string) : Attrs -> Expr list -> Expr =
    match tryMeaning name with
    | ValueSome build -> build
    | ValueNone -> failwith $"no operation is called {name}"
