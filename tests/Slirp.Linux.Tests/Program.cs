using Slirp.Linux;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Tap;

// Run by tests as a process of its own. Prints one line and exits 0, or the error and exits 1.
try
{
    Console.WriteLine(args switch
    {
        ["attach", var user, var network, var name] => Attach(user, network, name),
        _ => throw new ArgumentException("unknown helper command"),
    });
    return 0;
}
catch (LinuxException e)
{
    Console.WriteLine(e.Message);
    return 1;
}

static string Attach(string user, string network, string name)
{
    using AttachedNamespace attached = NamespaceAttach.Open(
        new AttachRequest { UserNamespacePath = user == "-" ? null : user, NetworkNamespacePath = network, TapName = name });
    using TapDevice tap = TapDevice.FromAttached(attached.TapQueues);
    return $"{tap.Name} {tap.Offloads} above2={attached.Netlink.Value > 2 && tap.Queue(0).Value > 2}";
}
