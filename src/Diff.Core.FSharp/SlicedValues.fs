namespace Diff

open System
open System.Collections.Generic

/// A window that a value is read in: the shape that it is given first, if any, and the slice of that.
[<CustomEquality; NoComparison; Struct>]
type internal ReadWindow =
    { Through: Shape voption
      Starts: int[]
      Steps: int[]
      Shape: Shape }

    override this.Equals(other) =
        match other with
        | :? ReadWindow as o ->
            this.Through = o.Through
            && this.Starts = o.Starts
            && this.Steps = o.Steps
            && this.Shape.Equals o.Shape
        | _ -> false

    override this.GetHashCode() =
        HashCode.Combine(hash this.Starts, hash this.Steps, this.Shape)

/// Values that are computed index by index and read only in slices, by others of the kind: gates, say, that are columns of one product and a bias. They
/// are computed slice by slice, in the loops that read the slices, so that the whole is neither written nor read again. Nothing is computed twice, since
/// the slices together have no more elements than the whole.
[<RequireQualifiedAccess>]
module internal SlicedValues =
    // Less is not worth looking at, and rows of slices that are shorter would make loops over few columns of one over many
    // (with 4 to 12 columns they took three to six times as long).
    let private minLength = 1024
    let private minRow = 64

    // What reads many slices in one loop would have to do all of their work.
    let private maxWindows = 16

    // Small graphs may grow to so much more.
    let private leastRoom = 1000

    // Slices of slices take a turn each.
    let private maxTurns = 4

    let private isPointwise (e: Expr) =
        let isPlain (x: Expr) =
            DType.isFloat x.DType || x.DType = DType.Bool
        e.Op.IsElementwise && isPlain e && Array.forall isPlain e.Args

    let private isSqueeze (e: Expr) =
        e.Op.IsReshape && (View.squeezed e.Args[0].Shape e.Shape).IsSome

    /// Whether a slice has rows of elements that lie side by side.
    let private hasRows (e: Expr) =
        match e.Op with
        | Op.Slice(_, steps) ->
            let strides = Array.map2 (*) steps (Shape.strides e.Args[0].Shape.Dims)
            View.row e.Shape strides >= minRow
        | _ -> false

    /// The windows in which each value is read that is read in no other way; none where these are more than there is room for.
    let private find (nodes: Expr[]) (roots: Expr[]) (room: int) : Dictionary<Expr, HashSet<ReadWindow>> =
        let users = Dictionary<Expr, List<Expr>>(HashIdentity.Reference)
        for e in nodes do
            for a in Seq.distinct e.Args do
                match users.TryGetValue a with
                | true, known -> known.Add e
                | _ -> users[a] <- List<Expr>([ e ])
        let isRoot = HashSet<Expr>(roots, HashIdentity.Reference)
        let usersOf (e: Expr) : Expr seq =
            match users.TryGetValue e with
            | true, known when not (isRoot.Contains e) -> known
            | _ -> Seq.empty
        // Views of views are few.
        let isReadIndexByIndex (slice: Expr) =
            let rec all depth (e: Expr) =
                let readers = usersOf e
                depth < 4
                && not (Seq.isEmpty readers)
                && readers
                   |> Seq.forall (fun user -> isPointwise user || (isSqueeze user && all (depth + 1) user))
            all 0 slice
        let window (through: Shape voption) (slice: Expr) : ReadWindow voption =
            match slice.Op with
            | Op.Slice(starts, steps) when hasRows slice && isReadIndexByIndex slice ->
                ValueSome
                    { Through = through
                      Starts = starts
                      Steps = steps
                      Shape = slice.Shape }
            | _ -> ValueNone
        let found = Dictionary<Expr, HashSet<ReadWindow>>(HashIdentity.Reference)
        let mutable count = 0
        for e in Array.rev nodes do
            if isPointwise e && e.Shape.Length >= minLength && not (Seq.isEmpty (usersOf e)) then
                let windows = HashSet<ReadWindow>()
                let add (w: ReadWindow voption) =
                    w.IsSome
                    && (windows.Add w.Value |> ignore
                        windows.Count <= maxWindows)
                let isInWindows (user: Expr) =
                    match user.Op with
                    | Op.Slice _ -> add (window ValueNone user)
                    | Op.Reshape when isSqueeze user ->
                        let readers = usersOf user
                        not (Seq.isEmpty readers)
                        && readers |> Seq.forall (fun reader -> add (window (ValueSome user.Shape) reader))
                    | _ ->
                        match found.TryGetValue user with
                        | true, known ->
                            windows.UnionWith known
                            windows.Count <= maxWindows
                        | _ -> false
                if
                    usersOf e |> Seq.forall isInWindows
                    && windows |> Seq.sumBy (fun w -> int64 w.Shape.Length) <= int64 e.Shape.Length
                then
                    found[e] <- windows
                    count <- count + windows.Count
        // Long ways to many slices would make the graph many times larger.
        if count > room then
            found.Clear()
        found

    let private read (window: ReadWindow) (x: Expr) : Expr =
        let x =
            match window.Through with
            | ValueSome shape -> Reshape.make shape x
            | ValueNone -> x
        match x.Op with
        | Op.Const value -> Expr.Const(value, window.Shape)
        | _ -> Window.slice window.Starts window.Steps window.Shape x

    let private isSliceOfPointwise (e: Expr) =
        let isSource (x: Expr) =
            isPointwise x && x.Shape.Length >= minLength
        hasRows e
        && (isSource e.Args[0] || (isSqueeze e.Args[0] && isSource e.Args[0].Args[0]))

    /// The graph after a turn, and how many values it has instead; none if nothing changes.
    let private turn (room: int) (roots: Expr[]) : struct (Expr[] * int) voption =
        let nodes = Graph.topological roots
        let found =
            if Array.exists isSliceOfPointwise nodes then
                find nodes roots room
            else
                Dictionary<Expr, HashSet<ReadWindow>>()
        if found.Count = 0 then
            ValueNone
        else
            let pieces = Dictionary<struct (Expr * ReadWindow), Expr>()
            let result = NodeMap<Expr>()
            let compute (e: Expr) (windows: HashSet<ReadWindow>) =
                for window in windows do
                    let piece (a: Expr) =
                        match pieces.TryGetValue(struct (a, window)) with
                        | true, piece -> piece
                        | _ -> read window result[a]
                    pieces[struct (e, window)] <-
                        Graph.within e.Scope (fun () ->
                            Expr(e.Op, Array.map piece e.Args, window.Shape, e.DType))
            let pieceOf (slice: Expr) : Expr voption =
                match slice.Op with
                | Op.Slice(starts, steps) ->
                    let through, source =
                        let x = slice.Args[0]
                        if isSqueeze x && found.ContainsKey x.Args[0] then
                            ValueSome x.Shape, x.Args[0]
                        else
                            ValueNone, x
                    let window =
                        { Through = through
                          Starts = starts
                          Steps = steps
                          Shape = slice.Shape }
                    match pieces.TryGetValue(struct (source, window)) with
                    | true, piece -> ValueSome piece
                    | _ -> ValueNone
                | _ -> ValueNone
            let replace (original: Expr) (node: Expr) =
                let made = pieceOf original |> ValueOption.defaultValue node
                result[original] <- made
                match found.TryGetValue original with
                | true, windows -> compute original windows
                | _ -> ()
                made
            ValueSome(struct (Graph.rebuild replace nodes roots, pieces.Count))

    /// The graph with such values computed slice by slice.
    let run (roots: Expr[]) : Expr[] =
        let rec next turns room roots =
            if turns = 0 then
                roots
            else
                match turn room roots with
                | ValueSome(struct (changed, count)) -> next (turns - 1) (room - count) changed
                | ValueNone -> roots
        next maxTurns (leastRoom + (Graph.topological roots).Length) roots
