namespace Slirp.Linux;

/// <summary>signal(7), as on x86-64 and arm64.</summary>
public static class SignalNumber
{
    public const int SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGKILL = 9, SIGUSR1 = 10, SIGUSR2 = 12, SIGTERM = 15, SIGCONT = 18, SIGCHLD = 17, SIGSTOP = 19, SIGXFSZ = 25;
}
