namespace Diff

/// The dictionary: what each word of the vocabulary means.
[<RequireQualifiedAccess>]
module internal Rules =
    let ofOp (op: Op) : Rule =
        match op with
        | Op.Variable _ -> Leaf.variableRule
        | Op.Const value -> Leaf.constRule value
        | Op.Literal _ -> Leaf.literalRule
        | Op.Iota axis -> Leaf.iotaRule axis
        | Op.Elementwise fn -> Elementwise.ofFn fn
        | Op.Cast -> Elementwise.castRule
        | Op.StopGradient -> Elementwise.stopGradientRule
        | Op.Barrier -> Elementwise.barrierRule
        | Op.Einsum spec -> Einsum.rule spec
        | Op.Reshape -> Reshape.rule
        | Op.Slice(starts, steps) -> Window.sliceRule starts steps
        | Op.Embed(starts, steps) -> Window.embedRule starts steps
        | Op.Unfold(axis, size, step, dilation) -> Unfold.unfoldRule axis size step dilation
        | Op.Fold(axis, extent, step, dilation) -> Unfold.foldRule axis extent step dilation
        | Op.Concat axis -> Window.concatRule axis
        | Op.Gather axis -> Index.gatherRule axis
        | Op.ScatterAdd axis -> Index.scatterAddRule axis
        | Op.ClassIndices classes -> Index.classRule classes
        | Op.Reduce(extreme, axes) -> Reduce.rule extreme axes
        | Op.ArgReduce(extreme, axis) -> Reduce.argRule extreme axis
        | Op.Linalg word -> Linalg.rule word
        | Op.Recurrence(axis, reverse) -> Recurrence.rule axis reverse
        | Op.ArgRunning(extreme, axis) -> Order.runningRule extreme axis
        | Op.ArgSort(axis, descending) -> Order.argSortRule axis descending
        | Op.SearchSorted right -> Order.searchRule right
        | Op.TakeAlong axis -> Along.takeRule axis
        | Op.AddAlong axis -> Along.addRule axis
        | Op.Fourier inverse -> Transform.rule inverse
        | Op.Random draw -> Draws.rule draw
        | Op.Call body -> Control.rule body
        | Op.Loop loop -> Iterations.rule loop
        | Op.Branch branch -> Branch.rule branch
        | Op.Custom custom -> Custom.rule custom
