using Slirp.Cli.Options;
using Slirp.Host;
using Slirp.Linux;
using Slirp.Linux.Confinement;

namespace Slirp.Cli;

/// <summary>The composition root: reads the command line, and hands over to what was asked for.</summary>
internal static class Program
{
    private const int DescriptorsForStart = 32; // 29 with every option, and a few flows

    private static int Main(string[] arguments)
    {
        try
        {
            return Obey(ArgumentOctets.Restore(arguments));
        }
        catch (Exception e) when (StartFailure.Describe(e) is string line)
        {
            StandardStreams.ErrorWithin(Log.Patience, line + "\n");
            return CommandLineReport.Failure;
        }
    }

    private static int Obey(string[] arguments)
    {
        Descriptor.EnsureStandardOpen();
        ProgramName program = ProgramName.From(Environment.GetCommandLineArgs());
        CommandLine line = CommandLine.Parse(program, arguments, PathChecks.Exists);
        if (Unsupported.Refusal(line) is UsageFailure refusal) line = line with { Command = refusal };
        CommandLineReport report = CommandLineReport.Of(program, line);
        StandardStreams.Error(report.Error);
        // Begun anew in another user namespace, it has said all that once.
        if (!UserNamespaceEntry.WasTried || report.ExitStatus is not null) StandardStreams.Output(report.Output);
        return report.ExitStatus ?? Serve(line.Command);
    }

    /// <summary>The descriptors that this program was given for itself.</summary>
    private static int[] NamedBy(LifecycleOptions lifecycle, TargetOptions? target)
    {
        List<int> named = [lifecycle.ReadyFd ?? -1, lifecycle.ExitFd ?? -1];
        if (target?.Target is AttachTarget.ByTapFd tap) named.Add(tap.Fd);
        string? path = target?.Target is AttachTarget.ByPath given ? given.Path : null;
        foreach (string? one in new[] { path, target?.UsernsPath, lifecycle.ApiSocket })
            if (Descriptor.NumberIn(one) is int number) named.Add(number);
        return [.. named];
    }

    private static int Serve(CliCommand command) => command switch
    {
        AttachCommand attach => Attach(attach.Options),
        RunCommand run => Run(run.Options),
        _ => throw new InvalidOperationException($"no service for {command.GetType().Name}"),
    };

    /// <summary>A number that is not open would name something of our own in a moment. Then nobody hears that we are ready,
    /// and nobody is there to live for: <see cref="Supervisor"/> ends at once.</summary>
    private static LifecycleOptions WithoutClosed(LifecycleOptions lifecycle) => lifecycle with
    {
        ReadyFd = lifecycle.ReadyFd is int ready && Descriptor.IsOpen(ready) ? ready : null,
        ExitFd = lifecycle.ExitFd is int exit && !Descriptor.IsOpen(exit) ? ~exit : lifecycle.ExitFd,
    };

    private static int Attach(AttachOptions options)
    {
        options = options with { Lifecycle = WithoutClosed(options.Lifecycle) };
        // Callers leak descriptors into what they start; one kept open here may keep somebody else waiting.
        foreach (int one in Descriptor.Inherited(NamedBy(options.Lifecycle, options.Target))) Descriptor.Close(new RawFd(one));
        MakeRoom();
        return new AttachService(options, new Log(options.Lifecycle.LogLevel)).Run();
    }

    private static int Run(RunOptions options)
    {
        options = options with { Lifecycle = WithoutClosed(options.Lifecycle) };
        var inheritance = new Inheritance(Descriptor.Inherited(NamedBy(options.Lifecycle, target: null)), OpenFileLimit.Soft);
        MakeRoom();
        return new RunService(options, inheritance, new Log(options.Lifecycle.LogLevel)).Run();
    }

    /// <summary>Each flow has a descriptor, and so has each forwarded port. What is left of a refusal is a smaller service,
    /// as long as it can start at all.</summary>
    private static void MakeRoom()
    {
        _ = OpenFileLimit.RaiseToHard();
        OpenFileLimit.RequireSpare(DescriptorsForStart);
    }
}
