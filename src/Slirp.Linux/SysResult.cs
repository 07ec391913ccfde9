namespace Slirp.Linux;

/// <summary>A system call's answer in the kernel's own form: count or descriptor if not negative, else minus errno.</summary>
public readonly record struct SysResult(int Raw)
{
    public bool IsOk => Raw >= 0;

    /// <summary><see cref="Linux.Errno.None"/> on success.</summary>
    public Errno Errno => Raw < 0 ? (Errno)(-Raw) : Errno.None;

    public bool Is(Errno errno) => Raw == -(int)errno;

    public static SysResult Failure(Errno errno) => new(-(int)errno);

    /// <summary>The value, or an exception that names the step: for set-up, never per frame.</summary>
    public int OrThrow(string step, string subject, string? remedy = null) =>
        IsOk ? Raw : throw new LinuxException(step, subject, Errno, remedy);

    /// <summary>Takes ownership of the descriptor that a successful call returned.</summary>
    public OwnedFd OwnedOrThrow(string step, string subject, string? remedy = null) =>
        OwnedFd.FromKernel(OrThrow(step, subject, remedy));

    public override string ToString() => IsOk ? Raw.ToString() : Errno.ToString();
}
