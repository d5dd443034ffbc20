module Diff.Solvers.Program

open System

let private help =
    """Runs the solvers on published problems and prints the tables of docs/solvers.md.

  minimisers    the 35 problems of Moré, Garbow and Hillstrom (1981)
  bounded       L-BFGS-B on problems of Hock and Schittkowski (1981)
  regressions   the nonlinear regression problems of NIST
  --help        this text

Without arguments: all of it."""

[<EntryPoint>]
let main args =
    let tables =
        dict
            [ "minimisers", Tables.minimisers
              "bounded", Tables.bounded
              "regressions", Tables.regressions ]
    let isKnown (name: string) = tables.ContainsKey name
    if Array.contains "--help" args then
        Console.WriteLine help
        0
    elif not (Array.forall isKnown args) then
        Console.Error.WriteLine
            $"error: unknown {Array.find (isKnown >> not) args}; --help says what there is"
        2
    else
        for name in (if args.Length = 0 then Seq.toArray tables.Keys else args) do
            for line in tables[name]() do
                Console.WriteLine line
            Console.WriteLine()
        0
