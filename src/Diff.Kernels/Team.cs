using System;
using System.Diagnostics;
using System.Linq;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Diff.Kernels;

/// <summary>Work cut into chunks, which may run in any order and at the same time. Objects are reused, so that running allocates nothing.</summary>
internal abstract class TeamJob
{
    public abstract void Run(int chunk);
}

/// <summary>
/// The threads of the engine. A caller opens its job and works through the chunks from the first on; whoever of the helpers is free takes chunks from
/// the last on, so that neighbouring chunks mostly stay in one cache. The caller waits only for chunks already taken, never for a helper to come: a
/// helper that is asleep or kept away by another process costs it nothing. A run costs 0.1–0.3 µs: the gate and the range of chunks change cores. A
/// helper that has just worked looks around for 50 µs before it sleeps and comes within 0.2 µs. To wake one costs the caller 3–10 µs, so that is paid
/// for by as much work alone, of this run or of one before: a run of two long chunks would else be over when it has shown that it is long.
/// </summary>
internal static class Team
{
    // Callers beyond these at once work alone, and so do threads beyond those.
    private const int MaxCallers = 16, MaxHelpers = 255;

    private static readonly Call[] calls = [.. Enumerable.Range(0, MaxCallers).Select(_ => new Call(new AutoResetEvent(false)))];
    // Not the slim one: it gives its core to other processes, for milliseconds, before it waits.
    private static readonly Semaphore bell = new(0, int.MaxValue);
    private static readonly Lock starting = new();
    private static readonly long patience = Stopwatch.Frequency / 20_000, wakeCost = Stopwatch.Frequency / 100_000, mostAlone = 100 * wakeCost;
    private static int usedCalls, helpers, asleep;

    // The time of work without helpers for which no one was woken, to a limit; races between callers only blur it.
    private static long alone;

    [ThreadStatic]
    private static bool inside;

    [ThreadStatic]
    private static CancellationToken cancellation;

    /// <summary>What stops the work of this thread, and of those that help it. Long loops within a chunk look at it by themselves.</summary>
    public static CancellationToken Cancellation
    {
        get => cancellation;
        set => cancellation = value;
    }

    /// <summary>Ends the work if its token says so.</summary>
    public static void ThrowIfCancelled() => cancellation.ThrowIfCancellationRequested();

    /// <summary>Runs the chunks 0 … chunks − 1, each once, on this thread and up to `threads` − 1 others. If chunks throw, no new ones begin and the first
    /// exception is thrown here after the last has ended. From inside a chunk all runs on the one thread.</summary>
    public static void Run(TeamJob job, int chunks, int threads)
    {
        Call? call = threads > 1 && chunks > 1 && !inside ? Acquire() : null;
        if (call == null)
        {
            for (int i = 0; i < chunks; i++)
            {
                ThrowIfCancelled();
                job.Run(i);
            }
            return;
        }
        int wanted = Math.Min(Math.Min(threads, chunks) - 1, MaxHelpers);
        if (Volatile.Read(ref helpers) < wanted) Start(wanted);
        call.Open(job, chunks, wanted, cancellation);
        inside = true;
        call.Work(fromLast: false);
        inside = false;
        Exception? error = call.Close();
        if (error != null) ExceptionDispatchInfo.Throw(error);
    }

    private static Call? Acquire()
    {
        for (int i = 0; i < calls.Length; i++)
        {
            if (!calls[i].TryAcquire()) continue;
            for (int used = usedCalls; used <= i; used = usedCalls) Interlocked.CompareExchange(ref usedCalls, i + 1, used);
            return calls[i];
        }
        return null;
    }

    private static void Start(int wanted)
    {
        lock (starting)
        {
            for (; helpers < wanted; Volatile.Write(ref helpers, helpers + 1))
            {
                int index = helpers;
                new Thread(() => Help(index)) { IsBackground = true, Name = $"Diff helper {index + 1}" }.UnsafeStart();
            }
        }
    }

    private static void Help(int index)
    {
        inside = true;
        // Those beyond the cores would only keep the others from working.
        bool patient = index + 1 < Environment.ProcessorCount;
        long since = Stopwatch.GetTimestamp();
        while (true)
        {
            if (TakePart(index)) since = Stopwatch.GetTimestamp();
            else if (patient && Stopwatch.GetTimestamp() - since < patience) Thread.SpinWait(1);
            else
            {
                Sleep();
                since = Stopwatch.GetTimestamp();
            }
        }
    }

    private static bool TakePart(int index)
    {
        int used = Volatile.Read(ref usedCalls);
        for (int i = 0; i < used; i++)
        {
            Call call = calls[(index + i) % used];
            if (!call.TryJoin()) continue;
            call.Work(fromLast: true);
            cancellation = default;
            call.Leave();
            return true;
        }
        return false;
    }

    /// <summary>`asleep` counts those no one has yet rung the bell for: whoever lowers it rings once, so that no ring is lost or left over.</summary>
    private static void Sleep()
    {
        Interlocked.Increment(ref asleep);
        // A call that was opened before the count rose is seen here, and who opens one later sees the count.
        if (!AnyOpen() || !OneLessAsleep()) bell.WaitOne();
        // A caller wakes one and each woken two more, so that a call costs its caller one ring however many help.
        for (int i = 0; i < 2 && AnyOpen(); i++) Wake();
    }

    private static void Wake()
    {
        if (OneLessAsleep()) bell.Release();
    }

    private static bool OneLessAsleep()
    {
        for (int count = Volatile.Read(ref asleep); count > 0; count = Volatile.Read(ref asleep))
        {
            if (Interlocked.CompareExchange(ref asleep, count - 1, count) == count) return true;
        }
        return false;
    }

    private static bool AnyOpen()
    {
        for (int i = Volatile.Read(ref usedCalls) - 1; i >= 0; i--)
        {
            if (calls[i].IsOpen) return true;
        }
        return false;
    }

    /// <summary>A run in progress. Others look at it at any time, so its gate says in one word who may do what.</summary>
    private sealed class Call(AutoResetEvent left)
    {
        // The gate: free, acquired, or open with `seats` helpers at most; the low half counts those inside. Closed, none may come, and the last to
        // leave tells the caller if it waits.
        private const int Free = -1, Acquired = -2, Seat = 1 << 16, Inside = Seat - 1, Closed = 1 << 30, Waits = 1 << 29;

        private TeamJob? job;
        private CancellationToken token;
        private Exception? error;
        private Shared shared = new() { Gate = Free };

        /// <summary>What several threads write has cache lines of its own.</summary>
        [StructLayout(LayoutKind.Explicit, Size = 384)]
        private struct Shared
        {
            [FieldOffset(128)]
            public int Gate;

            /// <summary>The chunks not taken: the first, and in the upper half the end.</summary>
            [FieldOffset(256)]
            public long Range;
        }

        public bool IsOpen => MayJoin(Volatile.Read(ref shared.Gate));

        // The range is only a hint here; it is right once a helper is inside.
        private bool MayJoin(int gate) =>
            gate is >= 0 and < Closed && (gate & Inside) < gate / Seat && (int)Volatile.Read(ref shared.Range) < (int)(Volatile.Read(ref shared.Range) >> 32);

        public bool TryAcquire() => Volatile.Read(ref shared.Gate) == Free && Interlocked.CompareExchange(ref shared.Gate, Acquired, Free) == Free;

        public void Open(TeamJob work, int chunks, int seats, CancellationToken cancellation)
        {
            (job, token, shared.Range) = (work, cancellation, (long)chunks << 32);
            Interlocked.Exchange(ref shared.Gate, seats * Seat);
        }

        public bool TryJoin()
        {
            int gate = Volatile.Read(ref shared.Gate);
            return MayJoin(gate) && Interlocked.CompareExchange(ref shared.Gate, gate + 1, gate) == gate;
        }

        public void Leave()
        {
            int gate = Interlocked.Decrement(ref shared.Gate);
            if ((gate & Waits) != 0 && (gate & Inside) == 0) left.Set();
        }

        /// <summary>Takes and runs chunks until none is left.</summary>
        public void Work(bool fromLast)
        {
            TeamJob work = job!;
            cancellation = token;
            try
            {
                long start = !fromLast && Volatile.Read(ref asleep) > 0 && !Woken() ? Stopwatch.GetTimestamp() : 0;
                for (int chunk = Take(fromLast); chunk >= 0; chunk = Take(fromLast))
                {
                    ThrowIfCancelled();
                    work.Run(chunk);
                    if (start == 0) continue;
                    long now = Stopwatch.GetTimestamp();
                    alone = Math.Min(alone + now - start, mostAlone);
                    start = Woken() ? 0 : now;
                }
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref error, e, null);
                Interlocked.Exchange(ref shared.Range, 0);
            }
        }

        /// <summary>Wakes a helper if there is something for it to do and its wake is paid for.</summary>
        private bool Woken()
        {
            if (alone < wakeCost || !IsOpen) return false;
            Wake();
            alone -= wakeCost;
            return true;
        }

        private int Take(bool fromLast)
        {
            while (true)
            {
                long range = Volatile.Read(ref shared.Range);
                int first = (int)range, end = (int)(range >> 32);
                if (first >= end) return -1;
                if (Interlocked.CompareExchange(ref shared.Range, fromLast ? range - (1L << 32) : range + 1, range) == range) return fromLast ? end - 1 : first;
            }
        }

        /// <summary>Waits for the chunks taken, and gives the call back.</summary>
        public Exception? Close()
        {
            if (((Interlocked.Or(ref shared.Gate, Closed) | Closed) & Inside) > 0)
            {
                // A helper mostly ends its last chunk soon. One that was sent away from its core may have this one: a sleeper's core takes it over.
                for (int i = 0; i < 1000 && (Volatile.Read(ref shared.Gate) & Inside) > 0; i++) Thread.SpinWait(1);
                if ((Volatile.Read(ref shared.Gate) & Inside) > 0 && (Interlocked.Or(ref shared.Gate, Waits) & Inside) > 0) left.WaitOne();
            }
            Exception? result = error;
            (job, token, error) = (null, default, null);
            Volatile.Write(ref shared.Gate, Free);
            return result;
        }
    }
}
