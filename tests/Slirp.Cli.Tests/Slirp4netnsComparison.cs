using System.Diagnostics;
using Slirp.Cli.Options;

namespace Slirp.Cli.Tests;

/// <summary>A test that needs Debian's slirp4netns on this machine and says so where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class Slirp4netnsTheoryAttribute : TheoryAttribute
{
    public const string Program = "/usr/bin/slirp4netns";

    public Slirp4netnsTheoryAttribute()
    {
        if (!File.Exists(Program)) Skip = $"{Program} is not installed (apt-get install slirp4netns)";
    }
}

/// <summary>Our refusals beside those of the real slirp4netns, on the same bad command lines: same exit status, same
/// standard error, and the usage on standard output in the same cases.</summary>
/// <remarks>Every line here is refused while it is read, or names a pid above the kernel's greatest (2^22), so that
/// nothing is ever attached.</remarks>
public class Slirp4netnsComparison
{
    private static readonly string[] Same =
    [
        "",
        "--bogus",
        "--x=3",
        "---",
        "-x",
        "-W foo",
        "-m",
        "--mtu",
        "--mtu 1500 --mtu",
        "--help=1",
        "--disable-dns=1",
        "--disable-host=3",
        "--dis",
        "--disable-",
        "--e",
        "--enable",
        "--n",
        "--=3",
        "-6x",
        "-6=3",
        "-c-6",
        "--mtu=0 4194999 tap0",
        "--mtu=-1",
        "--mtu=70000",
        "--mtu=65522",
        "--mtu=abc",
        "--mtu=12x",
        "--mtu=",
        "--mtu=99999999999999999999",
        "--mtu -- 4194999 tap0",
        "-e -1",
        "-e x",
        "-e 3x",
        "-r -1",
        "--ready-fd=x",
        "-e x --bogus",
        "--bogus -e x",
        "--mtu=0 --help",
        "--bogus --help",
        "--macaddress=1:2",
        "--macaddress=zz --target-type=x",
        "--macaddress=zz abc tap0",
        "-c --macaddress=zz 4194999 tap0",
        "-c --macaddress=010203040506 4194999 tap0",
        "-c --macaddress=02:02:03:04:05:06:07 4194999 tap0",
        "-c --macaddress= 4194999 tap0",
        "--cidr=1 4194999 tap0",
        "--cidr= 4194999 tap0",
        "--cidr=10.0.2.0/24x 4194999 tap0",
        "--cidr=300.1.1.1/8 4194999 tap0",
        "--cidr=010.0.2.0/24 4194999 tap0",
        "--cidr=10.0.2.0/0 4194999 tap0",
        "--cidr=10.0.2.0/26 4194999 tap0",
        "--cidr=10.0.2.100/24 4194999 tap0",
        "--cidr=bad abc tap0",
        "-c --macaddress=zz --cidr=bad --outbound-addr=.. 4194999 tap0",
        "--outbound-addr=:: 4194999 tap0",
        "--outbound-addr=.. --outbound-addr6=.. 4194999 tap0",
        "--target-type=x",
        "--target-type=x a b",
        "--target-type=bess",
        "--target-type=bess a b",
        "-c --target-type=bess",
        "-c --target-type=bess a b",
        "-c --target-type=bess a",
        "--target-type=bess --netns-type=pid a",
        "--target-type=bess --userns-path=/ a",
        "--netns-type=path /nonexistent tap0",
        "--netns-type=path /nonexistent",
        "--userns-path=/nonexistent",
        "--userns=/nonexistent abc tap0",
        "abc",
        "4194999",
        "abc tap0",
        "0 tap0",
        "12x tap0",
        "- tap0",
        "-1 tap0",
        "-- -1 tap0",
        "--",
        "--exit=1",
        "-ab",
        "--no",
        "--create",
        "-h",
        "-hx",
        "--help --bogus",
        "--target-type=x --help",
        "-c --help 4194999",
    ];

    public static TheoryData<string> Lines => [.. Same];

    [Slirp4netnsTheory]
    [MemberData(nameof(Lines))]
    public async Task Refuses_as_slirp4netns_does(string line)
    {
        string[] words = Argv.Words(line);
        var program = new ProgramName(Slirp4netnsTheoryAttribute.Program);
        CommandLineReport ours = CommandLineReport.Of(
            program, CommandLine.Parse(program, words, PathChecks.Exists), Argv.Stamp);
        CommandLineReport theirs = await Run(words);

        Assert.Equal(theirs.ExitStatus, ours.ExitStatus);
        // Some of theirs lack the end of line.
        Assert.Equal(theirs.Error.TrimEnd('\n'), ours.Error.TrimEnd('\n'));
        Assert.Equal(ShowsUsage(theirs), ShowsUsage(ours));
    }

    private static bool ShowsUsage(CommandLineReport report) =>
        report.Output.Contains($"Usage: {Slirp4netnsTheoryAttribute.Program} ", StringComparison.Ordinal);

    private static async Task<CommandLineReport> Run(string[] words)
    {
        var start = new ProcessStartInfo(Slirp4netnsTheoryAttribute.Program, words)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        try
        {
            process.StandardInput.Close();
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            Task<string> output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            Task<string> error = process.StandardError.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            return new CommandLineReport(await output, await error, process.ExitCode);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}
