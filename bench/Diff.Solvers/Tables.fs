/// What the solvers make of the published problems, and that as tables.
module Diff.Solvers.Tables

open System
open System.Globalization
open Diff
open Diff.Solvers

let private text (format: string) (x: float) =
    x.ToString(format, CultureInfo.InvariantCulture)

// ---- Minimisers -------------------------------------------------------------------------------------------------------

/// How a method did on a problem.
type Outcome =
    /// At a published minimum: the first is the global one.
    | Minimum of number: int * evaluations: int
    /// Elsewhere.
    | Elsewhere of value: float * reason: StopReason

/// Where a sum of squares lies among the published minima: within their six digits, or 1e-10.
let private judge (problem: MoreGarbowHillstrom.Problem) (value: float) (result: SolverResult) =
    let isAt minimum =
        abs (value - minimum) <= 1e-5 * minimum + 1e-10
    match problem.Minima |> List.tryFindIndex isAt with
    | Some k -> Minimum(k, result.Evaluations)
    | None -> Elsewhere(value, result.Reason)

let private minimizeOptions () =
    MinimizeOptions(GradientTolerance = 1e-10, MaxIterations = 3000, MaxEvaluations = 5000)

/// The methods compared, by name.
let methods: (string * (MoreGarbowHillstrom.Problem -> Outcome)) list =
    let minimise run (problem: MoreGarbowHillstrom.Problem) =
        let result: MinimizeResult =
            run (minimizeOptions ()) (MoreGarbowHillstrom.objective problem) problem.Start
        judge problem result.Value result
    let squares run (problem: MoreGarbowHillstrom.Problem) =
        let options = LeastSquaresOptions(MaxIterations = 3000, MaxEvaluations = 5000)
        let result: LeastSquaresResult = run options problem.Residuals problem.Start
        judge problem result.SumOfSquares result
    let bounded options f (x0: float[]) =
        let n = x0.Length
        Minimize.lbfgsb options (Array.create n -infinity) (Array.create n infinity) f x0
    [ "BFGS", minimise Minimize.bfgs
      "L-BFGS", minimise Minimize.lbfgs
      "L-BFGS-B", minimise bounded
      "CG", minimise Minimize.conjugateGradient
      "gradient", minimise Minimize.gradientDescent
      "Newton-CG", minimise Minimize.newtonCG
      "Gauss-Newton", squares LeastSquares.gaussNewton
      "LM", squares LeastSquares.levenbergMarquardt ]

let private reason =
    function
    | StopReason.GradientSmall -> "gradient small"
    | StopReason.StepSmall -> "step small"
    | StopReason.ValueChangeSmall -> "change small"
    | StopReason.IterationLimit -> "iterations"
    | StopReason.EvaluationLimit -> "evaluations"
    | StopReason.LineSearchFailed -> "line search"
    | StopReason.NotFinite -> "not finite"
    | other -> other.ToString()

let private row (cells: string seq) = "| " + String.Join(" | ", cells) + " |"

let private heading (cells: string list) =
    [ row cells; "|" + String.replicate cells.Length "---|" ]

/// The table of minimisers, and what of it did not end at a minimum.
let minimisers () : string list =
    let rows, failures =
        [ for problem in MoreGarbowHillstrom.problems do
              let outcomes = methods |> List.map (fun (name, run) -> name, run problem)
              let cell =
                  function
                  | _, Minimum(0, evaluations) -> string evaluations
                  | _, Minimum(_, evaluations) -> $"{evaluations}ˡ"
                  | _, Elsewhere _ -> "–"
              let minimum = problem.Minima |> List.map (text "G6") |> String.concat ", "
              row (string problem.Number :: problem.Name :: minimum :: List.map cell outcomes),
              [ for name, outcome in outcomes do
                    match outcome with
                    | Elsewhere(value, why) -> name + ": " + text "G4" value + ", " + reason why
                    | _ -> () ]
              |> function
                  | [] -> None
                  | some -> Some(row [ string problem.Number; problem.Name; String.Join("; ", some) ]) ]
        |> List.unzip
    heading ([ ""; "problem"; "published" ] @ List.map fst methods)
    @ rows
    @ [ ""; "Not at a published minimum:"; "" ]
    @ heading [ ""; "problem"; "where each method stopped, and why" ]
    @ List.choose id failures

/// The table of L-BFGS-B on problems with bounds.
let bounded () : string list =
    [ yield! heading [ ""; "published"; "found"; "at bounds"; "iterations"; "evaluations" ]
      for problem in HockSchittkowski.problems do
          let result = HockSchittkowski.solve problem
          let atBounds =
              Array.map3 (fun x l u -> x = l || x = u) result.X problem.Lower problem.Upper
              |> Array.filter id
          row
              [ string problem.Number
                problem.Minima |> List.map (text "G9") |> String.concat ", "
                text "G9" result.Value
                string atBounds.Length
                string result.Iterations
                string result.Evaluations ] ]

// ---- Regression -------------------------------------------------------------------------------------------------------

/// Digits of agreement of a fit: of parameters, their standard deviations, the sum of squares.
type Fit =
    { Parameters: float
      Deviations: float
      SumOfSquares: float
      Result: LeastSquaresResult }

let regressionOptions () =
    LeastSquaresOptions(
        GradientTolerance = 0.0,
        StepTolerance = 1e-15,
        ValueTolerance = 0.0,
        MaxIterations = 5000
    )

let fitWith
    (method: LeastSquaresOptions -> (Expr -> Expr) -> float[] -> LeastSquaresResult)
    (problem: Regression.Problem)
    (start: float[])
    : Fit =
    let result = method (regressionOptions ()) (Regression.residuals problem) start
    { Parameters = Regression.fewest problem.Parameters result.X
      Deviations = Regression.fewest problem.Deviations result.StandardErrors
      SumOfSquares = Regression.digits problem.SumOfSquares result.SumOfSquares
      Result = result }

/// The table of regressions: Levenberg and Marquardt from both starts, and whether Gauss and Newton get there.
let regressions () : string list =
    let cells (fit: Fit) =
        if fit.Parameters < 4.0 then
            [ "–"; "–"; "–"; $"{fit.Result.Evaluations}" ]
        else
            [ text "F1" fit.Parameters
              text "F1" fit.Deviations
              text "F1" fit.SumOfSquares
              $"{fit.Result.Evaluations}" ]
    let short (fit: Fit) =
        if fit.Parameters < 4.0 then
            "–"
        else
            text "F1" fit.Parameters
    [ yield!
          heading
              [ "problem"
                "level"
                "1: parameters"
                "deviations"
                "squares"
                "evaluations"
                "2: parameters"
                "deviations"
                "squares"
                "evaluations"
                "Gauss-Newton 1"
                "2" ]
      for problem in Regression.problems do
          let lm = fitWith LeastSquares.levenbergMarquardt problem
          let gn = fitWith LeastSquares.gaussNewton problem
          row (
              [ problem.Name; problem.Level ]
              @ cells (lm problem.Start1)
              @ cells (lm problem.Start2)
              @ [ short (gn problem.Start1); short (gn problem.Start2) ]
          ) ]
