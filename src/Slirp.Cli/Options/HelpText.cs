using System.Collections.Immutable;
using System.Text;

namespace Slirp.Cli.Options;

/// <summary>The text of --help, in slirp4netns' layout: callers search it for the names of options.</summary>
public static class HelpText
{
    private const int DescriptionColumn = 25;

    private readonly record struct Entry(OptionId Id, string? ValueName, string Description);

    /// <summary>In slirp4netns' order, our own behind; a value's name is what the help calls it.</summary>
    private static readonly ImmutableArray<Entry> Entries =
    [
        new(OptionId.Configure, null, "bring the interface up, with address and routes (run always does)"),
        new(OptionId.ExitFd, "FD", "end when the other side of this descriptor is closed"),
        new(OptionId.ReadyFd, "FD", "write \"1\" to this descriptor when the network is ready"),
        new(OptionId.Mtu, "MTU", "MTU of the interface (default=1500, min=68, max=65521)"),
        new(OptionId.EnableIpv6, null, "give the namespace IPv6 too, from MTU 1280 up (run always does)"),
        new(OptionId.ApiSocket, "PATH", "serve the JSON API on a UNIX socket at this path"),
        new(OptionId.Cidr, "CIDR", "IPv4 network of the namespace (default=10.0.2.0/24)"),
        new(OptionId.DisableHostLoopback, null, "close every way to the host itself, by 10.0.2.2 and all its addresses"),
        new(OptionId.NetnsType, "TYPE", "what the target is given as ([pid|path|tapfd], default=pid)"),
        new(OptionId.UsernsPath, "PATH", "user namespace to enter first (default with a PID: that of the process)"),
        new(OptionId.EnableSandbox, null, "put a root directory with only the needed files around this process"),
        new(OptionId.EnableSeccomp, null, "allow needed system calls only (no effect: on wherever the kernel permits)"),
        new(OptionId.OutboundAddr, "IPv4", "address or interface that IPv4 connections leave from"),
        new(OptionId.OutboundAddr6, "IPv6", "address or interface that IPv6 connections leave from"),
        new(OptionId.DisableDns, null, "do not answer DNS on 10.0.2.3 (third address of CIDR) and fd00::3"),
        new(OptionId.MacAddress, "MAC", "MAC address of the interface (only with -c)"),
        new(OptionId.TargetType, "TYPE", "what kind of thing the target is (netns; bess is refused by name)"),
        new(OptionId.Help, null, "show this help and exit"),
        new(OptionId.Version, null, "show the version and exit"),
        new(OptionId.Publish, "RULE", "forward [ADDR:]HOST[-HOST]:GUEST[-GUEST][/tcp|udp], may be repeated"),
        new(OptionId.NoOffload, "LIST", "do without these kernel offloads: tso,uso,csum,vnet or all, may be repeated"),
        new(OptionId.NoExitWithTarget, null, "go on when the process or namespace that is the target ends"),
        new(OptionId.LogLevel, "LEVEL", "how much to report ([error|warning|info|debug], default=info)"),
    ];

    public static string Compose(ProgramName program, bool forRun) => forRun ? ForRun(program) : ForAttach(program);

    private static string ForAttach(ProgramName program)
    {
        var text = new StringBuilder();
        text.Append("Usage: ").Append(program.Argv0).Append(" [OPTION]... PID|PATH|FD [TAPNAME]\n");
        text.Append("A fast user-mode network for network namespaces without privileges.\n\n");
        AppendOptions(text, OptionTable.ForAttach);
        if (!program.HasRun) return text.ToString();
        text.Append("\nUsage: ").Append(program.Argv0).Append(" run [OPTION]... [--] [CMD [ARG]...]\n");
        text.Append("Runs CMD (default: your shell) in a new namespace with its own network; see 'run --help'.\n");
        return text.ToString();
    }

    private static string ForRun(ProgramName program)
    {
        var text = new StringBuilder();
        text.Append("Usage: ").Append(program.Argv0).Append(" run [OPTION]... [--] [CMD [ARG]...]\n");
        text.Append("Runs CMD (default: your shell) in a new user and network namespace with its own network.\n");
        text.Append("Exits as CMD does: with its status, or 128 and the number of the signal that killed it.\n\n");
        AppendOptions(text, OptionTable.ForRun);
        return text.ToString();
    }

    private static void AppendOptions(StringBuilder text, ImmutableArray<OptionDeclaration> table)
    {
        foreach (Entry entry in Entries)
        {
            if (Declaration(table, entry.Id) is not OptionDeclaration option) continue;
            int start = text.Length;
            if (option.Letter is char letter) text.Append('-').Append(letter).Append(", ");
            text.Append("--").Append(option.Name);
            if (entry.ValueName is string value) text.Append('=').Append(value);
            text.Append(' ', DescriptionColumn - (text.Length - start)).Append(entry.Description).Append('\n');
        }
    }

    private static OptionDeclaration? Declaration(ImmutableArray<OptionDeclaration> table, OptionId id)
    {
        foreach (OptionDeclaration option in table)
            if (option.Id == id && option.ReplacedBy is null) return option;
        return null;
    }
}
