namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>
/// No test asserts a time. A step that hangs is ended after a minute, so that the run goes on and the step is named.
/// </summary>
internal static class HangGuard
{
    // Not one minute of the clock: a virtual machine that is stopped for a while loses one slice by it, no test.
    private const int Slices = 60;
    private static readonly TimeSpan Slice = TimeSpan.FromSeconds(1);

    public static async Task<T> WithinAsync<T>(this Task<T> task, string what)
    {
        await ((Task)task).WithinAsync(what);
        return await task;
    }

    public static async Task WithinAsync(this Task task, string what)
    {
        for (int slice = 0; slice < Slices && !task.IsCompleted; slice++)
        {
            using var over = new CancellationTokenSource();
            await Task.WhenAny(task, Task.Delay(Slice, over.Token));
            await over.CancelAsync();
        }

        if (!task.IsCompleted) throw new EndToEndException($"hung, waiting for {what}");
        await task;
    }

    public static Task<T> WithinAsync<T>(this ValueTask<T> task, string what) => task.AsTask().WithinAsync(what);

    public static Task WithinAsync(this ValueTask task, string what) => task.AsTask().WithinAsync(what);
}
