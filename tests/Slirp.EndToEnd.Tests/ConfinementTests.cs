using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>The walls around the process while it serves, as the kernel shows them.</summary>
public class ConfinementTests
{
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public Task Every_thread_has_given_up_what_serving_does_not_need(bool asUser) =>
        GuestNetwork.WithAsync(new SlirpPlan { AsUser = asUser, MoreOptions = ["-a", ApiPath] }, async network =>
        {
            string[] tasks = Directory.GetDirectories($"/proc/{network.Slirp.Pid}/task");
            Assert.True(tasks.Length > 2, "the runtime's threads are there as well");
            foreach (string task in tasks)
            {
                Dictionary<string, string> status = File.ReadLines($"{task}/status")
                    .Select(line => line.Split(':', 2)).ToDictionary(pair => pair[0], pair => pair[1].Trim());
                Assert.Equal("1", status["NoNewPrivs"]);
                Assert.Equal("2", status["Seccomp"]); // filter
                const string bindService = "0000000000000400", none = "0000000000000000";
                foreach (string set in new[] { "CapPrm", "CapEff" })
                    Assert.Equal(asUser || Machine.AsUser.Length == 0 ? status[set] == none ? none : bindService : bindService, status[set]);
                Assert.Equal(none, status["CapInh"]);
                Assert.Equal(none, status["CapAmb"]);
            }

            string answer = await new ControlClient(ApiPath).AskAsync("""{"execute":"status"}""");
            Assert.Contains("""["nnp","caps","landlock","seccomp"]""", answer, StringComparison.Ordinal);
        });

    /// <summary>What --enable-sandbox gives where the kernel lets it, and the socket that slirp4netns then leaves behind.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_sandbox_sees_what_is_needed_and_is_left_clean()
    {
        await GuestNetwork.WithAsync(new SlirpPlan { MoreOptions = ["-a", ApiPath, "--enable-sandbox", "--enable-seccomp"] }, async network =>
        {
            network.SlirpMayEnd();
            string seen = (await ChildProcess.RunAsync("ls", "-A", $"/proc/{network.Slirp.Pid}/root")).Succeeded();
            Assert.Equal("etc\nrun\nvar\n", seen);
            Assert.Single(Directory.GetDirectories($"/proc/{network.Slirp.Pid}/task")
                .Select(task => new FileInfo($"{task}/ns/mnt").LinkTarget).Distinct());
            (await network.Guest.RunAsync("ping", "-c", "1", "10.0.2.2")).Succeeded();
            string answer = await new ControlClient(ApiPath).AskAsync("""{"execute":"status"}""");
            Assert.Contains("""["root","nnp","caps","landlock","seccomp"]""", answer, StringComparison.Ordinal);
            network.Slirp.CloseExitDescriptor();
            Assert.Equal(0, (await network.Slirp.WaitAsync()).Status);
            Assert.False(File.Exists(ApiPath));
        });
    }

    private static string ApiPath { get; } = Path.Combine(OpenDirectory(), "confined.sock");

    private static string OpenDirectory()
    {
        string directory = Path.Combine(Machine.Scratch, "confined");
        _ = Directory.CreateDirectory(directory);
        File.SetUnixFileMode(directory, (UnixFileMode)0b111_111_111);
        return directory;
    }
}
