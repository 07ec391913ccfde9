using System.Globalization;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>What the kernel tells of a process: its use of processor, memory and descriptors.</summary>
internal sealed class ProcessFigures(int pid)
{
    /// <summary>User and system time since its start, in clock ticks of 10 ms.</summary>
    public long CpuTicks()
    {
        // The name in parentheses may contain anything; the state follows it (proc_pid_stat(5): utime is field 14).
        string stat = File.ReadAllText($"/proc/{pid}/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
    }

    public long ResidentKib()
    {
        foreach (string line in File.ReadLines($"/proc/{pid}/status"))
            if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
                return long.Parse(line[6..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture);
        throw new EndToEndException($"process {pid} has no memory");
    }

    public int Descriptors() => Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length;

    /// <summary>Waits until there are at most so many.</summary>
    public async Task DescriptorsFallToAsync(int count) =>
        await FallToAsync(count).WithinAsync($"the descriptors, {Descriptors()} now, to fall to {count}");

    /// <summary>Waits until so much memory is in use at most: what is free goes back to the system some time after a peak.</summary>
    public async Task ResidentFallsToAsync(long kib)
    {
        async Task PollAsync()
        {
            while (ResidentKib() > kib) await Task.Delay(100);
        }

        await PollAsync().WithinAsync($"the memory, {ResidentKib()} KiB now, to fall to {kib}");
    }

    private async Task FallToAsync(int count)
    {
        while (Descriptors() > count) await Task.Delay(20);
    }
}
