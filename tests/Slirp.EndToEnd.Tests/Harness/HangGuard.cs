namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>
/// No test asserts a time. A step that hangs is ended after a minute, so that the run goes on and the step is named.
/// </summary>
internal static class HangGuard
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task<T> WithinAsync<T>(this Task<T> task, string what)
    {
        await ((Task)task).WithinAsync(what);
        return await task;
    }

    public static async Task WithinAsync(this Task task, string what)
    {
        try
        {
            await task.WaitAsync(Limit);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            throw new EndToEndException($"hung, waiting for {what}");
        }
    }

    public static Task<T> WithinAsync<T>(this ValueTask<T> task, string what) => task.AsTask().WithinAsync(what);

    public static Task WithinAsync(this ValueTask task, string what) => task.AsTask().WithinAsync(what);
}
