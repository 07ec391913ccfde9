using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>A wrong call is told in one line and leaves nothing behind.</summary>
public class OptionErrorTests
{
    /// <summary>Words after the program's name, what its line must say, and whether the usage follows on stdout.</summary>
    public static TheoryData<string, string, bool> WrongWords => new()
    {
        { "--bogus 1 tap0", "unrecognized option '--bogus'", true },
        { "-c -m 0 1 tap0", "MTU must be a positive integer (< 65522)", true },
        { "-c -m 65522 1 tap0", "MTU must be a positive integer (< 65522)", true },
        { "-c -r -1 1 tap0", "ready-fd must be a non-negative integer", true },
        { "-c -e nine 1 tap0", "exit-fd must be a non-negative integer", true },
        { "none tap0", "PID must be a positive integer", true },
        { "0 tap0", "PID must be a positive integer", true },
        { "--macaddress=0e:d4:18:d9:38:fb 1 tap0", "--macaddr cannot be specified when --configure or -c is not specified", true },
        { "--userns-path=/no/such/file 1 tap0", "userns path doesn't exist: /no/such/file", true },
        { "--netns-type=path /no/such/file tap0", "existing path expected when --netns-type=path", true },
        { "--netns-type=tapfd nine", "TAPFD must", true },
        { "-c --cidr=nonsense 1 tap0", "invalid CIDR: nonsense", false },
        { "-c --cidr=10.0.2.100/24 1 tap0", "CIDR needs to be a network address like 10.0.2.0/24, not like 10.0.2.100/24", false },
        { "-c --cidr=10.0.2.0/26 1 tap0", "prefix length needs to be 1-25", false },
        { "-c --macaddress=zz:00:00:00:00:00 1 tap0", "macaddress has to be a valid MAC address", false },
    };

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(WrongWords))]
    public async Task A_wrong_word_is_named(string words, string says, bool showsUsage)
    {
        Outcome outcome = await ChildProcess.RunAsync([Machine.Binary, .. words.Split(' ')]);
        Assert.Equal(1, outcome.Status);
        Assert.Contains(says, outcome.Stderr, StringComparison.Ordinal);
        Assert.EndsWith("\n", outcome.Stderr, StringComparison.Ordinal);
        if (showsUsage) Assert.Single(Lines(outcome.Stderr));
        Assert.Equal(showsUsage, outcome.Stdout.StartsWith("Usage: ", StringComparison.Ordinal));
    }

    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_name_that_is_missing_shows_the_usage()
    {
        Outcome outcome = await ChildProcess.RunAsync(Machine.Binary, "1");
        Assert.Equal(1, outcome.Status);
        Assert.StartsWith("Usage: ", outcome.Stdout, StringComparison.Ordinal);
    }

    [EndToEndFact]
    public async Task Help_names_every_option_that_callers_look_for()
    {
        string said = (await ChildProcess.RunAsync(Machine.Binary, "--help")).Succeeded();
        foreach (string option in (string[])["--netns-type", "--mtu", "--cidr", "--disable-host-loopback", "--api-socket",
                     "--enable-sandbox", "--enable-seccomp", "--enable-ipv6", "--outbound-addr"])
            Assert.Contains(option, said, StringComparison.Ordinal);
    }

    [EndToEndFact]
    public async Task Version_can_be_parsed()
    {
        string said = (await ChildProcess.RunAsync(Machine.Binary, "--version")).Succeeded();
        Assert.Matches(@"^slirp\w+ version \S+\ncommit: \S+\n", said);
    }

    [EndToEndFact(SlirpnetOnly = true)]
    public Task No_such_process_is_named() => FailsAsync(
        _ => [Machine.Binary, "-c", "-r", "3", "-e", "4", $"{int.MaxValue}", GuestNetwork.TapName], $"{int.MaxValue}");

    [EndToEndFact(OtherUsers = true, SlirpnetOnly = true)]
    public Task A_namespace_of_somebody_else_is_refused() => FailsAsync(
        guest => [.. Machine.AsUser, Machine.Binary, "-c", "-r", "3", "-e", "4", $"{guest.Pid}", GuestNetwork.TapName]);

    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_name_in_use_is_named() => FailsAsync(
        guest => [Machine.Binary, "-c", "-r", "3", "-e", "4", $"{guest.Pid}", "lo"], "lo");

    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_tap_that_somebody_else_holds_is_named() =>
        GuestNetwork.WithAsync(new SlirpPlan(), async network =>
        {
            await using SlirpProcess second = SlirpProcess.Start(
                [Machine.Binary, "-r", "3", "-e", "4", $"{network.Guest.Pid}", GuestNetwork.TapName]);
            Outcome outcome = await AssertFailedAsync(second);
            Assert.Contains(GuestNetwork.TapName, outcome.Stderr, StringComparison.Ordinal);
        });

    /// <summary>/dev/net/tun closed to the user, in a mount namespace of the test's own.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task No_access_to_the_tun_device_is_named() => FailsAsync(
        guest =>
        [
            "unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net && exec \"$@\"", "sh",
            Machine.Binary, "-c", "-r", "3", "-e", "4", $"{guest.Pid}", GuestNetwork.TapName,
        ],
        "/dev/net/tun");

    private static async Task FailsAsync(Func<TestNamespace, string[]> command, string names = "")
    {
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        await using SlirpProcess slirp = SlirpProcess.Start(command(guest));
        Outcome outcome = await AssertFailedAsync(slirp);
        Assert.Contains(names, outcome.Stderr, StringComparison.Ordinal);
        Assert.NotEqual(0, (await guest.RunAsync("ip", "link", "show", GuestNetwork.TapName)).Status);
    }

    // One line, status 1, and the caller's ready descriptor ends without an octet.
    private static async Task<Outcome> AssertFailedAsync(SlirpProcess slirp)
    {
        Assert.Equal("", await slirp.ReadReadyAsync());
        Outcome outcome = await slirp.WaitAsync();
        Assert.Equal(1, outcome.Status);
        Assert.Single(Lines(outcome.Stderr));
        return outcome;
    }

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
