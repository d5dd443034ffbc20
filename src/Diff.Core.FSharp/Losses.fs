namespace Diff

open System

/// Losses and densities, composed of other operations.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Losses =
    /// −log softmax(logits) at the class of each row: logits [..., classes], classes [...] of integers; one loss a row.
    /// A class outside 0 … classes − 1 fails when the loss is evaluated (IndexOutOfRangeException).
    let crossEntropyOfClasses (logits: Expr) (classes: Expr) : Expr =
        if logits.Rank = 0 then
            raise (
                ShapeException
                    $"cross_entropy: expected logits of rank 1 or more, the last axis for the classes, got shape {logits.Shape}; reshape them"
            )
        if
            logits.Rank <> classes.Rank + 1
            || logits.Shape.Dims[.. classes.Rank - 1] <> classes.Shape.Dims
        then
            raise (
                ShapeException
                    $"cross_entropy: logits of shape {logits.Shape} need class indices of shape {Shape(logits.Shape.Dims[.. logits.Rank - 2])}, got {classes.Shape}"
            )
        let n = logits.Shape[logits.Rank - 1]
        let isChosen = guard (isClass "cross_entropy" n (Index.classIndices n classes))
        let chosen =
            where isChosen (logSoftmax -1 logits) (Expr.Full(0.0, Shape.Scalar, logits.DType))
        -(sumAxes false [| -1 |] chosen)

    /// −Σ p·log softmax(logits) over the last axis, for target distributions p of the logits' shape; one loss a row. 0·log 0 is 0.
    let crossEntropyOfDistributions (logits: Expr) (targets: Expr) : Expr =
        if not (logits.Shape.Equals targets.Shape) then
            raise (
                ShapeException
                    $"cross_entropy: logits of shape {logits.Shape} need target distributions of the same shape, got {targets.Shape}"
            )
        let logs = logSoftmax -1 logits
        // −∞ · 0 is no number, but its term is 0; the derivative with respect to the target there is kept finite too.
        let impossible =
            guard (logicalAnd (equal targets 0.0) (equal logs Double.NegativeInfinity))
        -(sumAxes
            false
            [| -1 |]
            (targets * where impossible (Expr.Full(0.0, Shape.Scalar, logits.DType)) logs))

    /// −(t·log σ(x) + (1 − t)·log(1 − σ(x))), index by index, without overflow and with the small losses of sure and right logits.
    let sigmoidCrossEntropy (logits: Expr) (targets: Expr) : Expr =
        let like value =
            Expr.Full(value, Shape.Scalar, logits.DType)
        let zero, one = like 0.0, like 1.0
        // softplus(−x) + (1 − t)·x and softplus(x) − t·x are one function; of x ≥ 0 the first has nothing that cancels, else the second.
        let isUpper = guard (greaterEqual logits zero)
        let s = where isUpper (-logits) logits
        let rest = where isUpper one zero - targets
        // 0 times an infinite logit is 0 here.
        let isSure = guard (logicalAnd (equal rest zero) (equal s Double.NegativeInfinity))
        softplus s + rest * where isSure zero logits

    /// The mean of (x − y)² over all elements.
    let mse (x: Expr) (y: Expr) : Expr = mean (square (x - y))

    /// √Σx² over all elements, of several arrays together, without overflow of the squares; its derivative at 0 is 0.
    let frobeniusNorm (xs: Expr list) : Expr =
        match xs with
        | [] -> invalidArg "xs" "frobenius_norm: expected at least one array, got none"
        | xs -> normOfAll "frobenius_norm" xs.Head.DType xs

    /// log of the normal density with a mean and a variance, index by index.
    let normalLogDensity (mean: Expr) (variance: Expr) (x: Expr) : Expr =
        -0.5 * (square (x - mean) / variance + log variance + log (2.0 * Math.PI))

    /// The normal density with a mean and a variance, index by index.
    let normalDensity (mean: Expr) (variance: Expr) (x: Expr) : Expr = exp (normalLogDensity mean variance x)
