using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Diff;

/// <summary>
/// What was computed with variables, in order: of each number the two that it was computed from and the derivatives with respect to them. One for each thread
/// and type, kept and used again, so that nothing is allocated in the steady state. Computations may nest; an inner one uses the end of the tape.
/// </summary>
internal sealed class Tape<T> where T : IFloatingPointIeee754<T>
{
    private const int ChunkBits = 16, ChunkSize = 1 << ChunkBits;

    private const int MostTapes = 1024;

    // The tapes that record now, so that a number finds its own by a small integer.
    private static readonly Tape<T>?[] Recording = new Tape<T>?[MostTapes];

    [ThreadStatic]
    private static Tape<T>? ofThread;

    private readonly int _thread = Environment.CurrentManagedThreadId;
    private int _slot = Environment.CurrentManagedThreadId % MostTapes;

    // Numbers have places from 1; the entry of place i is number i − 1. Place 0 stands for all constants.
    private readonly List<Entry[]> _chunks = [new Entry[ChunkSize]];
    private Entry[] _chunk;
    private int _last, _used, _firstPlace = 1;
    private T[] _adjoints = [T.Zero];

    private Tape() => _chunk = _chunks[0];

    [StructLayout(LayoutKind.Sequential)]
    private struct Entry
    {
        public T Dx, Dy;
        public int X, Y;
    }

    /// <summary>The tape of a number that is no constant.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Tape<T> At(int slot) => Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(Recording), slot) ?? NotRecording();

    [DoesNotReturn]
    private static Tape<T> NotRecording() => throw new InvalidOperationException(
        $"{typeof(Var<T>)}: this number was made by a call that has returned; compute only inside the function that is differentiated");

    private int Count => _firstPlace - 1 + _used;

    /// <summary>Starts a computation. What it returns has to be given to <see cref="End"/>.</summary>
    public static Tape<T> Begin(out int mark)
    {
        var tape = ofThread ??= new Tape<T>();
        mark = tape.Count;
        if (mark == 0) tape.TakeSlot();
        return tape;
    }

    // The one it had before is free unless hundreds of threads record.
    private void TakeSlot()
    {
        for (var i = 0; Recording[_slot] != this && Interlocked.CompareExchange(ref Recording[_slot], this, null) is not null; i++)
        {
            if (i == MostTapes) throw new InvalidOperationException($"{typeof(Var<T>)}: more than {MostTapes} threads compute derivatives in reverse at once");
            _slot = (_slot + 1) % MostTapes;
        }
    }

    /// <summary>Ends the computation and forgets what it recorded.</summary>
    public void End(int mark)
    {
        Rewind(mark);
        if (mark == 0) Recording[_slot] = null;
    }

    /// <summary>Lets go of the memory, unless something is recorded.</summary>
    public static void Release()
    {
        if (ofThread is { Count: 0 }) ofThread = null;
    }

    /// <summary>A new variable.</summary>
    public Var<T> Variable(T value) => new(value, Push(T.Zero, 0, T.Zero, 0), _slot);

    /// <summary>Records a number and gives its place. The second operand may be a constant, place 0; the first only of a variable.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Push(T dx, int x, T dy, int y)
    {
        var used = _used;
        if (used == ChunkSize) used = NextChunk();
        ref var entry = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_chunk), used);
        entry.Dx = dx;
        entry.Dy = dy;
        entry.X = x;
        entry.Y = y;
        _used = used + 1;
        return _firstPlace + used;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private int NextChunk()
    {
        CheckThread();
        if (++_last == int.MaxValue >> ChunkBits)
            throw new InsufficientMemoryException($"{typeof(Var<T>)}: more than 2^31 operations on one tape");
        if (_last == _chunks.Count) _chunks.Add(GC.AllocateUninitializedArray<Entry>(ChunkSize));
        _chunk = _chunks[_last];
        _firstPlace = (_last << ChunkBits) + 1;
        return _used = 0;
    }

    // Asked seldom, since it takes longer than recording does; a number that is used on another thread is found out in time by most programs.
    private void CheckThread()
    {
        if (Environment.CurrentManagedThreadId != _thread)
            throw new InvalidOperationException($"{typeof(Var<T>)}: numbers of one computation were used on several threads; differentiate inside each thread instead");
    }

    private void Rewind(int count)
    {
        // A full chunk stays the last one until something follows.
        _last = Math.Max(count - 1, 0) >> ChunkBits;
        _chunk = _chunks[_last];
        _firstPlace = (_last << ChunkBits) + 1;
        _used = count - (_last << ChunkBits);
    }

    /// <summary>Exactly 0, with all derivatives.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsZero(T x) => typeof(T) == typeof(double) ? (double)(object)x == 0 : x.Equals(T.Zero);

    /// <summary>
    /// Gives the variables, the first numbers since the mark, the derivatives of `output` with respect to them, times `seed`; <see cref="Take"/> takes them.
    /// </summary>
    /// <exception cref="InvalidOperationException">The output depends on a number from before the mark: it would be a constant here.</exception>
    public void Sweep(Var<T> output, T seed, int mark, int variables)
    {
        if (output.Index == 0) return;
        CheckThread();
        var count = Count;
        if (_adjoints.Length <= count) Grow(count + 1);
        try
        {
            Check(output.Index, mark);
            _adjoints[output.Index] = seed;
            var zero = T.Zero;
            var start = mark + variables;
            for (var chunk = (output.Index - 1) >> ChunkBits; chunk >= start >> ChunkBits; chunk--)
            {
                var first = chunk << ChunkBits;
                var (low, high) = (Math.Max(start - first, 0), Math.Min(output.Index - 1 - first, ChunkSize - 1));
                SweepChunk(_chunks[chunk], first + 1, low, high, zero, mark);
            }
        }
        catch
        {
            Array.Fill(_adjoints, T.Zero);
            throw;
        }
    }

    // Each adjoint is made 0 again when it has been used, so that all are 0 before the next sweep. What goes to the number just before, as in the middle of
    // an expression, waits in `carry`: the way back would wait for memory otherwise.
    private void SweepChunk(Entry[] chunk, int firstPlace, int low, int high, T zero, int mark)
    {
        ref var entries = ref MemoryMarshal.GetArrayDataReference(chunk);
        ref var adjoints = ref MemoryMarshal.GetArrayDataReference(_adjoints);
        var carry = zero;
        for (var i = high; i >= low; i--)
        {
            ref var slot = ref Unsafe.Add(ref adjoints, firstPlace + i);
            var adjoint = slot + carry;
            carry = zero;
            if (IsZero(adjoint))
            {
                slot = zero;
                continue;
            }
            ref var entry = ref Unsafe.Add(ref entries, i);
            slot = zero;
            Check(entry.X, mark);
            AddTo(ref Unsafe.Add(ref adjoints, entry.X), adjoint, entry.Dx);
            if (entry.Y == 0) continue;
            Check(entry.Y, mark);
            if (entry.Y == firstPlace + i - 1) carry = adjoint * entry.Dy;
            else AddTo(ref Unsafe.Add(ref adjoints, entry.Y), adjoint, entry.Dy);
        }
        if (!IsZero(carry)) AddTo(ref Unsafe.Add(ref adjoints, firstPlace + low - 1), carry, T.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo(ref T sum, T adjoint, T derivative) =>
        sum = typeof(T) == typeof(double) ? T.MultiplyAddEstimate(adjoint, derivative, sum) : sum + adjoint * derivative;

    private static void Check(int place, int mark)
    {
        if (place <= mark) Captured();
    }

    [DoesNotReturn]
    private static void Captured() => throw new InvalidOperationException(
        $"Gradient: the inner function captured a {typeof(Var<T>)} of an outer derivative, which would be lost; " +
        $"differentiate the inner one at numbers of that type, so that it computes with {typeof(Var<Var<T>>)}");

    /// <summary>
    /// Computes a function and puts its derivatives with respect to the arguments on the tape instead of all of its operations.
    /// </summary>
    public static Var<T> Preaccumulate<TFunction>(TFunction f, ReadOnlySpan<Var<T>> x) where TFunction : IScalarFunction
    {
        var first = 0;
        while (first < x.Length && x[first].Index == 0) first++;
        if (first == x.Length) return f.Invoke(x); // of constants
        var tape = At(x[first].Slot);
        var mark = tape.Count;
        var inner = Scratch<Var<T>>.Rent(x.Length);
        var partials = Scratch<T>.Rent(x.Length);
        try
        {
            for (var i = 0; i < x.Length; i++) inner[i] = tape.Variable(x[i].Value);
            var y = f.Invoke<Var<T>>(inner);
            tape.Sweep(y, T.One, mark, x.Length);
            for (var i = 0; i < x.Length; i++) partials[i] = tape.Take(mark + 1 + i);
            tape.Rewind(mark);
            return tape.Sum(y.Value, partials, x);
        }
        catch
        {
            tape.Rewind(mark);
            throw;
        }
        finally
        {
            Scratch<T>.Return(x.Length);
            Scratch<Var<T>>.Return(x.Length);
        }
    }

    // A number with these derivatives: a chain of entries.
    private Var<T> Sum(T value, ReadOnlySpan<T> partials, ReadOnlySpan<Var<T>> x)
    {
        var place = 0;
        for (var i = 0; i < x.Length; i++)
            if (x[i].Index != 0 && !IsZero(partials[i])) place = Push(partials[i], x[i].Index, T.One, place);
        return new(value, place, place == 0 ? 0 : _slot);
    }

    /// <summary>What the sweep gave the variable at a place.</summary>
    public T Take(int place)
    {
        if (_adjoints.Length <= place) return T.Zero;
        var adjoint = _adjoints[place];
        _adjoints[place] = T.Zero;
        return adjoint;
    }

    private void Grow(int length)
    {
        var before = _adjoints.Length;
        Array.Resize(ref _adjoints, Math.Max(length, (int)Math.Min((long)length * 5 / 4, Array.MaxLength)));
        _adjoints.AsSpan(before).Fill(T.Zero);
    }
}
