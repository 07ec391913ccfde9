using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Events;

/// <summary>What this process does about a signal (rt_sigaction(2)).</summary>
internal static unsafe class SignalDisposition
{
    internal const nint SIG_IGN = 1;

    /// <summary>Whether it is ignored: an inherited choice, unless it is SIGPIPE, which the runtime ignores itself. The
    /// runtime leaves the others alone until it is asked for them, and SIGHUP, SIGINT and SIGQUIT even then.</summary>
    internal static bool IsIgnored(int signal)
    {
        kernel_sigaction now = default;
        SysResult read = Libc.Call(Syscalls.rt_sigaction, signal, 0, (nint)(&now), sizeof(ulong)); // on this stack
        return read.IsOk && now.sa_handler == SIG_IGN;
    }

    /// <summary>Has machine code run when the signal comes, with its number in rdi and its siginfo_t at rsi; it returns into <paramref name="restorer"/>, which makes rt_sigreturn.</summary>
    internal static SysResult SetHandler(int signal, byte* code, byte* restorer, out kernel_sigaction before)
    {
        const ulong SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_RESTART = 0x10000000;
        var handler = new kernel_sigaction
        {
            sa_handler = (nint)code,
            sa_restorer = (nint)restorer,
            sa_flags = SA_SIGINFO | SA_RESTORER | SA_RESTART,
        };
        kernel_sigaction former = default;
        SysResult set = Libc.Call(Syscalls.rt_sigaction, signal, (nint)(&handler), (nint)(&former), sizeof(ulong)); // both on this stack
        before = former;
        return set;
    }

    internal static void SetDefault(int signal)
    {
        kernel_sigaction byDefault = default; // SIG_DFL is 0
        _ = Libc.Call(Syscalls.rt_sigaction, signal, (nint)(&byDefault), 0, sizeof(ulong)); // on this stack
    }
}
