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
        if (line.Command is AttachCommand given) CloseWhatWasNotMeant(given.Options);
        CommandLineReport report = CommandLineReport.Of(program, line);
        StandardStreams.Error(report.Error);
        StandardStreams.Output(report.Output);
        return report.ExitStatus ?? Serve(line.Command);
    }

    /// <summary>Callers leak descriptors into what they start; one kept open here may keep somebody else waiting.</summary>
    private static void CloseWhatWasNotMeant(AttachOptions options)
    {
        List<int> wanted = [options.Lifecycle.ReadyFd ?? -1, options.Lifecycle.ExitFd ?? -1];
        if (options.Target.Target is AttachTarget.ByTapFd tap) wanted.Add(tap.Fd);
        string? target = options.Target.Target is AttachTarget.ByPath given ? given.Path : null;
        foreach (string? path in new[] { target, options.Target.UsernsPath, options.Lifecycle.ApiSocket })
            if (Descriptor.NumberIn(path) is int named) wanted.Add(named);
        Descriptor.CloseInherited([.. wanted]);
    }

    private static int Serve(CliCommand command)
    {
        try
        {
            return command switch
            {
                AttachCommand attach => new AttachService(attach.Options, new Log(attach.Options.Lifecycle.LogLevel)).Run(),
                RunCommand run => new RunService(run.Options, new Log(run.Options.Lifecycle.LogLevel)).Run(),
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
}
