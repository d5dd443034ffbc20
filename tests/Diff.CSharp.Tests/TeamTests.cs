using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Diff.Kernels;
using Xunit;

namespace Diff.Tests;

public class TeamTests
{
    private sealed class Job(Action<int> body) : TeamJob
    {
        public override void Run(int chunk) => body(chunk);
    }

    private sealed class Counts(int chunks) : TeamJob
    {
        public int[] Runs { get; } = new int[chunks];
        public override void Run(int chunk) => Interlocked.Increment(ref Runs[chunk]);
    }

    public static TheoryData<int> Threads => [0, 1, 2, 4, 7];

    [Theory, MemberData(nameof(Threads))]
    public void Each_chunk_runs_once_before_the_return(int threads)
    {
        foreach (int chunks in new[] { 0, 1, 2, 3, 7, 100, 5000 })
        {
            var job = new Counts(chunks);
            for (int i = 1; i <= 20; i++)
            {
                Team.Run(job, chunks, threads);
                Assert.All(job.Runs, n => Assert.Equal(i, n));
            }
        }
    }

    [Fact]
    public void A_run_of_two_long_chunks_wakes_who_is_asleep()
    {
        // The caller takes one and then the other, unless someone is woken before the first has ended: others have used up what was worked alone at times.
        bool Met()
        {
            Thread.Sleep(10); // all fall asleep
            var alone = System.Diagnostics.Stopwatch.StartNew();
            Team.Run(new Job(_ => SpinWait.SpinUntil(() => alone.ElapsedMilliseconds > 2)), 2, 2);
            Thread.Sleep(10);
            using var both = new Barrier(2);
            var met = 0;
            Team.Run(new Job(_ => { if (both.SignalAndWait(1000)) Interlocked.Increment(ref met); }), 2, 2);
            return met == 2;
        }
        Assert.Contains(true, Enumerable.Range(0, 10).Select(_ => Met()));
    }

    [Fact]
    public void Helpers_take_part_and_no_more_than_asked_for()
    {
        foreach (int threads in new[] { 2, 4 })
        {
            // Each chunk waits for the others, so that it ends only if all run at once.
            int met = 0, most = 0;
            var job = new Job(_ =>
            {
                Interlocked.Increment(ref met);
                SpinWait.SpinUntil(() => Volatile.Read(ref met) == threads, 20_000);
            });
            Team.Run(job, threads, threads);
            Assert.Equal(threads, met);
            met = 0;
            Team.Run(new Job(_ =>
            {
                int now = Interlocked.Increment(ref met);
                for (int seen = most; now > seen; seen = most) Interlocked.CompareExchange(ref most, now, seen);
                Thread.Sleep(1);
                Interlocked.Decrement(ref met);
            }), 30, threads);
            Assert.InRange(most, 1, threads);
        }
    }

    [Fact]
    public void Helpers_come_again_after_they_slept()
    {
        for (int i = 0; i < 5; i++)
        {
            Thread.Sleep(20);
            var threads = new HashSet<int>();
            Team.Run(new Job(_ =>
            {
                lock (threads) threads.Add(Environment.CurrentManagedThreadId);
                Thread.Sleep(5);
            }), 40, 2);
            Assert.Equal(2, threads.Count);
        }
    }

    [Fact]
    public void Many_callers_share_the_helpers()
    {
        // More callers than the helpers can look after: those left over work alone.
        var failures = new List<Exception>();
        Thread[] callers = [.. Enumerable.Range(0, 24).Select(seed => new Thread(() =>
        {
            try
            {
                var random = new Random(seed);
                for (int i = 0; i < 200; i++)
                {
                    var job = new Counts(random.Next(40));
                    Team.Run(job, job.Runs.Length, random.Next(1, 8));
                    Assert.All(job.Runs, n => Assert.Equal(1, n));
                }
            }
            catch (Exception e)
            {
                lock (failures) failures.Add(e);
            }
        }))];
        foreach (Thread caller in callers) caller.Start();
        foreach (Thread caller in callers) caller.Join();
        Assert.Empty(failures);
    }

    [Theory, MemberData(nameof(Threads))]
    public void A_run_from_inside_a_chunk_stays_on_its_thread(int threads)
    {
        int inner = 0;
        Team.Run(new Job(_ =>
        {
            int thread = Environment.CurrentManagedThreadId, first = 0;
            Team.Run(new Job(i =>
            {
                if (threads > 1) Assert.Equal(thread, Environment.CurrentManagedThreadId);
                if (threads > 1) Assert.Equal(first++, i);
                Interlocked.Increment(ref inner);
            }), 10, threads);
        }), 50, threads);
        Assert.Equal(500, inner);
    }

    [Theory, MemberData(nameof(Threads))]
    public void An_exception_comes_to_the_caller_after_all_have_ended(int threads)
    {
        for (int i = 0; i < 30; i++)
        {
            int running = 0;
            var error = Assert.Throws<InvalidOperationException>(() => Team.Run(new Job(chunk =>
            {
                Interlocked.Increment(ref running);
                try
                {
                    if (chunk == 5) throw new InvalidOperationException("five");
                    Thread.SpinWait(100);
                }
                finally
                {
                    Interlocked.Decrement(ref running);
                }
            }), 10, threads));
            Assert.Equal("five", error.Message);
            Assert.Equal(0, running);
            // What follows is not disturbed.
            var next = new Counts(10);
            Team.Run(next, 10, threads);
            Assert.All(next.Runs, n => Assert.Equal(1, n));
        }
    }

    [Theory, MemberData(nameof(Threads))]
    public void A_run_allocates_nothing(int threads)
    {
        var job = new Counts(20);
        long AllocatedBy100Runs()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++) Team.Run(job, 20, threads);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        AllocatedBy100Runs();
        Assert.Equal(0, Enumerable.Range(0, 5).Min(_ => AllocatedBy100Runs()));
    }
}
