using System.Text.RegularExpressions;
using Slirp.Cli.Options;

namespace Slirp.Cli.Tests;

public class ReportTests
{
    private const string AttachHelp = """
        Usage: slirpnet [OPTION]... PID|PATH|FD [TAPNAME]
        A fast user-mode network for network namespaces without privileges.

        -c, --configure          bring the interface up, with address and routes (run always does)
        -e, --exit-fd=FD         end when the other side of this descriptor is closed
        -r, --ready-fd=FD        write "1" to this descriptor when the network is ready
        -m, --mtu=MTU            MTU of the interface (default=1500, min=68, max=65521)
        -6, --enable-ipv6        give the namespace IPv6 too, from MTU 1280 up (run always does)
        -a, --api-socket=PATH    serve the JSON API on a UNIX socket at this path
        --cidr=CIDR              IPv4 network of the namespace (default=10.0.2.0/24)
        --disable-host-loopback  close every way to the host itself, by 10.0.2.2 and all its addresses
        --netns-type=TYPE        what the target is given as ([pid|path|tapfd], default=pid)
        --userns-path=PATH       user namespace to enter first (default with a PID: that of the process)
        --enable-sandbox         put a root directory with only the needed files around this process
        --enable-seccomp         allow needed system calls only (no effect: on wherever the kernel permits)
        --outbound-addr=IPv4     address or interface that IPv4 connections leave from
        --outbound-addr6=IPv6    address or interface that IPv6 connections leave from
        --disable-dns            do not answer DNS on 10.0.2.3 (third address of CIDR) and fd00::3
        --macaddress=MAC         MAC address of the interface (only with -c)
        --target-type=TYPE       what kind of thing the target is (netns; bess is refused by name)
        -h, --help               show this help and exit
        -v, --version            show the version and exit
        -p, --publish=RULE       forward [ADDR:]HOST[-HOST]:GUEST[-GUEST][/tcp|udp], may be repeated
        --no-offload=LIST        do without these kernel offloads: tso,uso,csum,vnet or all, may be repeated
        --no-exit-with-target    go on when the process or namespace that is the target ends
        --log-level=LEVEL        how much to report ([error|warning|info|debug], default=info)

        """;

    private const string RunSynopsis = """

        Usage: slirpnet run [OPTION]... [--] [CMD [ARG]...]
        Runs CMD (default: your shell) in a new namespace with its own network; see 'run --help'.

        """;

    /// <summary>What callers search the help for: podman and buildah, RootlessKit, rootless Docker, nerdctl.</summary>
    private static readonly string[] Literals =
    [
        "--disable-host-loopback", "--mtu", "--enable-sandbox", "--enable-seccomp", "--cidr", "--outbound-addr",
        "--enable-ipv6", "--netns-type", "--api-socket", "--userns-path", "--configure", "--ready-fd", "--exit-fd",
    ];

    [Theory]
    [InlineData("-h")]
    [InlineData("--help")]
    [InlineData("--he")]
    [InlineData("-hx")]
    [InlineData("-6 42 tap0 --help --bogus")]
    [InlineData("--target-type=x --help")]
    [InlineData("--cidr=bad --help")]
    public void Help_goes_to_standard_output_and_succeeds(string line)
    {
        Assert.Equal(new CommandLineReport(AttachHelp + RunSynopsis, "", 0), Argv.Report(Argv.Words(line)));
    }

    [Fact]
    public void Help_says_the_name_it_was_called_by_and_slirp4netns_has_no_run()
    {
        var program = new ProgramName("/usr/bin/slirp4netns");
        CommandLine line = CommandLine.Parse(program, ["--help"], Argv.PathCheck);
        Assert.Equal(
            AttachHelp.Replace("Usage: slirpnet ", "Usage: /usr/bin/slirp4netns ", StringComparison.Ordinal),
            CommandLineReport.Of(program, line, Argv.Stamp).Output);
    }

    [Fact]
    public void Help_contains_what_callers_search_for()
    {
        string help = Argv.Report("--help").Output;
        foreach (string literal in Literals) Assert.Contains(literal, help, StringComparison.Ordinal);
        Assert.Matches(new Regex(@"(^|[^\w])--netns-type($|[^\w])", RegexOptions.Multiline), help); // grep -qw
    }

    [Fact]
    public void Help_names_every_option_but_the_deprecated_spellings()
    {
        string attach = Argv.Report("--help").Output, run = Argv.Report("run", "--help").Output;
        foreach (OptionDeclaration option in OptionTable.All)
        {
            bool isShown = option.ReplacedBy is null;
            Assert.Equal(isShown, attach.Contains($"--{option.Name}", StringComparison.Ordinal));
            bool isForRun = isShown && option.Scope.HasFlag(OptionScope.Run);
            Assert.Equal(isForRun, run.Contains($"--{option.Name}", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Help_of_run_is_of_run()
    {
        string help = Argv.Report("run", "-h").Output;
        Assert.Equal(
        [
            "Usage: slirpnet run [OPTION]... [--] [CMD [ARG]...]",
            "Runs CMD (default: your shell) in a new user and network namespace with its own network.",
            "Exits as CMD does: with its status, or 128 and the number of the signal that killed it.",
            "",
            "-c, --configure          bring the interface up, with address and routes (run always does)",
        ], Argv.Lines(help)[..5]);
    }

    [Fact]
    public void Names_and_letters_are_declared_once()
    {
        Assert.Equal(OptionTable.All.Length, OptionTable.All.Select(o => o.Name).Distinct().Count());
        var letters = OptionTable.All.Where(o => o.Letter is not null).Select(o => o.Letter).ToList();
        Assert.Equal(letters.Count, letters.Distinct().Count());
    }

    [Theory]
    [InlineData("--mt=1500 --r 3 --a=/s --t=netns --u=/exists 42 tap0")]
    [InlineData("--no --disable-host --disable-dn --cr --co --ci=10.0.2.0/24 --ma=2:0:0:0:0:1 --ne=pid 42 tap0")]
    public void Abbreviations_that_slirp4netns_understands_are_not_made_ambiguous_by_our_options(string line)
    {
        Assert.IsType<AttachCommand>(Argv.ReadLine(line).Command);
    }

    [Theory]
    [InlineData("slirpnet", "slirpnet")]
    [InlineData("/opt/slirpnet/bin/slirpnet", "slirpnet")]
    [InlineData("renamed", "slirpnet")]
    [InlineData("/opt/slirp4netns/slirpnet", "slirpnet")]
    [InlineData("slirp4netns", "slirp4netns")]
    [InlineData("/usr/bin/slirp4netns", "slirp4netns")]
    public void Version_says_the_name_that_the_caller_insists_on(string argv0, string name)
    {
        var program = new ProgramName(argv0);
        CommandLine line = CommandLine.Parse(program, ["-c", "--version"], Argv.PathCheck);
        CommandLineReport report = CommandLineReport.Of(program, line, Argv.Stamp);
        Assert.Equal(("", (int?)0), (report.Error, report.ExitStatus));
        Assert.Equal(
        [
            $"{name} version 1.2.3",
            "commit: 0123456789abcdef0123456789abcdef01234567",
            "libslirp: none, this is slirpnet with a network stack of its own",
            "SLIRP_CONFIG_VERSION_MAX: 4",
            "libseccomp: none, filters are made by slirpnet itself",
            "",
        ], Argv.Lines(report.Output));
        Assert.Single(Regex.Matches(report.Output, "version")); // Docker takes the last line with the word
    }

    [Theory]
    [InlineData("1.2.3", "1.2.3")]
    [InlineData("1.2.3+dirty", "1.2.3")]
    [InlineData("1.2.3-rc.1+0123", "1.2.3-rc.1")]
    public void A_build_without_a_commit_shows_zeros(string stamp, string version)
    {
        string[] lines = Argv.Lines(VersionText.Compose(Argv.Program, stamp));
        Assert.Equal([$"slirpnet version {version}", "commit: 0000000000000000000000000000000000000000"], lines[..2]);
    }

    [Fact]
    public void The_build_stamps_a_version()
    {
        CommandLineReport report = CommandLineReport.Of(Argv.Program, Argv.Read("--version"));
        Assert.Matches(new Regex(@"^slirpnet version \d+\.\d+\.\d+\S*\ncommit: [0-9a-f]{40}\n"), report.Output);
    }

    [Theory]
    [InlineData("slirp4netns 42 tap0", "slirp4netns")]
    [InlineData("/bin/slirpnet", "/bin/slirpnet")]
    [InlineData("", "slirpnet")]
    public void The_program_is_named_by_the_first_word_if_there_is_one(string words, string name)
    {
        Assert.Equal(name, ProgramName.From(Argv.Words(words)).Argv0);
        Assert.Equal("slirpnet", ProgramName.From([""]).Argv0);
    }

    [Theory]
    [InlineData("--bogus", "slirpnet: unrecognized option '--bogus'\n")]
    [InlineData("-m", "slirpnet: option requires an argument -- 'm'\n")]
    [InlineData("--out", "slirpnet: option '--out' is ambiguous; possibilities: '--outbound-addr' '--outbound-addr6'\n")]
    [InlineData("--mtu=0", "MTU must be a positive integer (< 65522)\n")]
    [InlineData("abc tap0", "PID must be a positive integer\n")]
    [InlineData("", "")]
    [InlineData("42", "")]
    public void A_usage_error_is_a_line_on_standard_error_and_the_usage_on_standard_output(string line, string error)
    {
        Assert.Equal(new CommandLineReport(AttachHelp + RunSynopsis, error, 1), Argv.Report(Argv.Words(line)));
    }

    [Theory]
    [InlineData("--cidr=1 42 tap0", "invalid CIDR: 1\n")]
    [InlineData("--outbound-addr=.. 42 tap0", "outbound-addr has to be valid ipv4 address or interface name.\n")]
    [InlineData("--log-level=x 42 tap0", "log-level has to be error, warning, info or debug, not \"x\"\n")]
    public void A_bad_value_is_a_line_on_standard_error_and_nothing_else(string line, string error)
    {
        Assert.Equal(new CommandLineReport("", error, 1), Argv.Report(Argv.Words(line)));
    }

    [Fact]
    public void Warnings_come_first_on_standard_output_and_do_not_stop_anything()
    {
        Assert.Equal(
            new CommandLineReport(
                "WARNING: --no-host-loopback is deprecated, please use --disable-host-loopback instead.\n" +
                "WARNING: too many arguments\n", "", null),
            Argv.Report("--no-host-loopback", "42", "tap0", "extra"));
        string output = Argv.Report("--create-sandbox").Output;
        Assert.StartsWith("WARNING: --create-sandbox is deprecated", output, StringComparison.Ordinal);
        Assert.EndsWith(AttachHelp + RunSynopsis, output, StringComparison.Ordinal);
    }
}
