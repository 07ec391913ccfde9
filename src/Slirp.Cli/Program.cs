using Slirp.Cli.Options;
using Slirp.Host.Forwards;
using Slirp.Linux;

namespace Slirp.Cli;

/// <summary>The composition root: reads the command line, and hands over to what was asked for.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        Descriptor.EnsureStandardOpen();
        ProgramName program = ProgramName.From(Environment.GetCommandLineArgs());
        CommandLine line = CommandLine.Parse(program, arguments, PathChecks.Exists);
        if (Unsupported.Refusal(line) is UsageFailure refusal) line = line with { Command = refusal };
        CommandLineReport report = CommandLineReport.Of(program, line);
        StandardStreams.Error(report.Error);
        StandardStreams.Output(report.Output);
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

    private static int Serve(CliCommand command)
    {
        try
        {
            return command switch
            {
                AttachCommand attach => Attach(attach.Options),
                RunCommand run => Run(run.Options),
                _ => throw new InvalidOperationException($"no service for {command.GetType().Name}"),
            };
        }
        catch (OutboundException e)
        {
            StandardStreams.Error(e.Message + "\n"); // in slirp4netns's own words, which name nobody
            return CommandLineReport.Failure;
        }
        catch (Exception e) when (e is LinuxException or ForwardException)
        {
            StandardStreams.Error($"slirpnet: {e.Message}\n");
            return CommandLineReport.Failure;
        }
    }

    private static int Attach(AttachOptions options)
    {
        // Callers leak descriptors into what they start; one kept open here may keep somebody else waiting.
        foreach (int one in Descriptor.Inherited(NamedBy(options.Lifecycle, options.Target))) Descriptor.Close(new RawFd(one));
        return new AttachService(options, new Log(options.Lifecycle.LogLevel)).Run();
    }

    private static int Run(RunOptions options)
    {
        List<int> forCommand = Descriptor.Inherited(NamedBy(options.Lifecycle, target: null));
        return new RunService(options, forCommand, new Log(options.Lifecycle.LogLevel)).Run();
    }
}
