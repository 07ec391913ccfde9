namespace Slirp.Linux.Native;

/// <summary>System calls numbered alike on every architecture (all since Linux 5.1 are).</summary>
internal enum SyscallNumber
{
    pidfd_send_signal = 424,
    open_tree = 428,
    move_mount = 429,
    pidfd_open = 434,
    close_range = 436,
    epoll_pwait2 = 441,
    landlock_create_ruleset = 444,
    landlock_add_rule = 445,
    landlock_restrict_self = 446,
}
