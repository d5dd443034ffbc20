namespace Diff

open System.Collections.Generic

/// Colours for columns so that one product with the matrix gives all columns of one colour.
[<RequireQualifiedAccess>]
module internal Coloring =
    /// The vertices, those with most neighbours first.
    let private order (degree: int -> int) n =
        Array.init n id |> Array.sortBy (fun v -> -(degree v), v)

    /// The least colour that is not forbidden for v.
    let private least (forbidden: int[]) v =
        let mutable c = 0
        while forbidden[c] = v do
            c <- c + 1
        c

    /// No two columns of one colour have an element in the same row: greedy colouring of the columns' intersection graph
    /// (Coleman and Moré 1983).
    let columns (rowsOf: int[][]) (columnsOf: int[][]) : int[] =
        let n = rowsOf.Length
        let color = Array.create n -1
        let forbidden = Array.create (n + 1) -1
        for v in order (fun v -> rowsOf[v] |> Array.sumBy (fun r -> columnsOf[r].Length)) n do
            for r in rowsOf[v] do
                for w in columnsOf[r] do
                    if color[w] >= 0 then
                        forbidden[color[w]] <- v
            color[v] <- least forbidden v
        color

    /// A star colouring of a symmetric matrix: neighbours differ, and every path of four vertices has three colours, so that each
    /// element stands alone in one of its two places (Gebremedhin, Manne and Pothen 2005).
    let star (neighbours: int[][]) : int[] =
        let n = neighbours.Length
        let color = Array.create n -1
        let forbidden = Array.create (n + 1) -1
        for v in order (fun v -> neighbours[v].Length) n do
            let seen = Dictionary<int, int>()
            for w in neighbours[v] do
                if w <> v && color[w] >= 0 then
                    forbidden[color[w]] <- v
                    seen[color[w]] <-
                        match seen.TryGetValue color[w] with
                        | true, k -> k + 1
                        | _ -> 1
            for w in neighbours[v] do
                if w <> v && color[w] >= 0 then
                    for x in neighbours[w] do
                        if x <> v && x <> w && color[x] >= 0 then
                            // v in the middle: another neighbour of v has the colour of w.
                            if seen[color[w]] > 1 then
                                forbidden[color[x]] <- v
                            // v at the end: behind x the colour of w comes again.
                            elif
                                neighbours[x]
                                |> Array.exists (fun y -> y <> x && y <> w && y <> v && color[y] = color[w])
                            then
                                forbidden[color[x]] <- v
            color[v] <- least forbidden v
        color

    let count (colors: int[]) =
        if colors.Length = 0 then 0 else 1 + Array.max colors
