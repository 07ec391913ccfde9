using Slirp.Linux;
using Slirp.Linux.Events;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Tap;
using Slirp.Linux.Tests.Confinement;
using Slirp.Linux.Native;
using Slirp.Linux.Tests.Netlink;
using Slirp.Linux.Tests.Support;
using static Slirp.Linux.SignalNumber;

// Run by tests as a process of its own. Prints what happened, and exits with 0, 1 or the status of the command it ran.
try
{
    return args switch
    {
        ["attach", var user, var network, var name] => Attach(user, network, name),
        ["run", .. var command] => Run(new CommandRequest { Command = command }),
        ["run-with-resolv", var path, .. var command] => Run(new CommandRequest { Command = command, ResolvConf = File.ReadAllBytes(path) }),
        ["standard"] => Standard(),
        ["foreground"] => Foreground(),
        ["seccomp"] => ConfinedProgram.Seccomp(),
        ["landlock", var allowed, var denied] => ConfinedProgram.Restricted(allowed, denied),
        ["capabilities"] => ConfinedProgram.Capabilities(),
        ["anew", var path, var argument] => ConfinedProgram.BeginAnew(path, argument),
        ["signals"] => Signals(),
        ["fatal"] => ConfinedProgram.Fatal(),
        ["addresses"] => AddressesProgram.Run(),
        ["root", var visible] => ConfinedProgram.NarrowedRoot(visible),
        _ => throw new ArgumentException("unknown helper command"),
    };
}
catch (LinuxException e)
{
    Console.WriteLine(e.Message);
    return e.Step == "execve" ? NamespaceCommand.ExitStatusFor(e) : 1;
}

static int Attach(string user, string network, string name)
{
    using AttachedNamespace attached = NamespaceAttach.Open(
        new AttachRequest { UserNamespacePath = user == "-" ? null : user, NetworkNamespacePath = network, TapName = name });
    using TapDevice tap = TapDevice.FromAttached(attached.TapQueues);
    Console.WriteLine($"{tap.Name} {tap.Offloads} above2={attached.Netlink.Value > 2 && tap.Queue(0).Value > 2}");
    return 0;
}

static int Run(CommandRequest request)
{
    using NamespaceCommand command = NamespaceCommand.Start(request);
    foreach (NamespaceWarning warning in command.Warnings) Console.WriteLine($"warning: {warning}");
    Console.Out.Flush();
    command.Go();
    return command.WaitForExit();
}

static int Foreground()
{
    using var foreground = new TerminalForeground();
    Console.WriteLine(foreground.IsOurs);
    return 0;
}

static int Signals()
{
    var watch = new SignalWatch(SIGHUP, SIGINT, SIGQUIT, SIGTERM);
    string[] names = ["", "HUP", "INT", "QUIT"];
    foreach (int signal in (int[])[SIGHUP, SIGINT, SIGQUIT, SIGTERM]) _ = Libc.kill(Environment.ProcessId, signal);
    Wait.For(watch.Descriptors.Single(one => one.Signal == SIGTERM).Fd); // the last one sent
    IEnumerable<string> taken = watch.Descriptors.Where(one => watch.Take(one.Signal) != SignalOrigin.None).Select(one => one.Signal == SIGTERM ? "TERM" : names[one.Signal]);
    Console.WriteLine(string.Join(' ', taken));
    return 0;
}

static int Standard()
{
    Descriptor.EnsureStandardOpen();
    return Descriptor.IsOpen(0) && Descriptor.IsOpen(1) && Descriptor.IsOpen(2) ? 0 : 1;
}
