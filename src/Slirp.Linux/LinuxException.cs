namespace Slirp.Linux;

/// <summary>A set-up step that the kernel refused: which step, on what, why and, where known, what helps.</summary>
public sealed class LinuxException : Exception
{
    /// <param name="step">The call, spelled as the kernel spells it: <c>TUNSETIFF</c>, <c>setns(CLONE_NEWNET)</c>.</param>
    /// <param name="subject">What it was done to: <c>/dev/net/tun (tap0)</c>.</param>
    /// <param name="errno">The kernel's reason.</param>
    /// <param name="remedy">What the person who started the program can do about it; no full stop.</param>
    /// <param name="detail">More of the kernel's own words, as netlink gives them.</param>
    public LinuxException(string step, string subject, Errno errno, string? remedy = null, string? detail = null)
        : base(Compose(step, subject, errno, remedy, detail))
    {
        Step = step;
        Subject = subject;
        Errno = errno;
        Remedy = remedy;
    }

    public string Step { get; }
    public string Subject { get; }
    public Errno Errno { get; }
    public string? Remedy { get; }

    private static string Compose(string step, string subject, Errno errno, string? remedy, string? detail)
    {
        string text = $"{step} on {subject}: {errno.Describe()}";
        if (!string.IsNullOrEmpty(detail)) text += $", {detail}";
        if (!string.IsNullOrEmpty(remedy)) text += $"; {remedy}";
        return text;
    }
}
