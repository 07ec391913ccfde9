namespace Slirp.Testing;

/// <summary>How much this thread allocates for something that should allocate nothing.</summary>
public static class Allocation
{
    /// <summary>The least of several runs: what the runtime allocates once (types loaded, code compiled anew) is not in it.</summary>
    public static long Of(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        long least = long.MaxValue;
        for (int run = 0; run < 5 && least > 0; run++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
