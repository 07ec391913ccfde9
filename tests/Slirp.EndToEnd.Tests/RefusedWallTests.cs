using System.Runtime.InteropServices;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Scenario 75: a wall that cannot be had is one line and is missing in the status. The others stand, and guests are served.</summary>
public class RefusedWallTests
{
    private const int NotPermitted = 1, NoSuchCall = 38; // EPERM, ENOSYS

    /// <summary>Becomes another program, for which one system call fails: number, errno, command (seccomp(2)).</summary>
    private const string WithoutCall = """
        import ctypes, os, struct, sys
        call, errno = int(sys.argv[1]), int(sys.argv[2])
        filter = b"".join(struct.pack("=HBBI", *one) for one in [
            (0x20, 0, 0, 0),                    # load the call's number
            (0x15, 0, 1, call),                 # is it this one?
            (0x06, 0, 0, 0x00050000 | errno),   # SECCOMP_RET_ERRNO
            (0x06, 0, 0, 0x7fff0000)])          # SECCOMP_RET_ALLOW
        octets = ctypes.create_string_buffer(filter, len(filter))
        program = struct.pack("@HP", 4, ctypes.addressof(octets))
        if ctypes.CDLL(None).prctl(22, 2, program, 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
            sys.exit("prctl(PR_SET_SECCOMP)")
        os.execvp(sys.argv[3], sys.argv[3:])
        """;

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public static TheoryData<string, int, int, string> Refusals => new()
    {
        { "landlock", 444, NoSuchCall, "landlock" },
        { "landlock", 446, NotPermitted, "landlock" }, // the rules can be written down and not applied
        { "capabilities", IsArm64 ? 91 : 126, NotPermitted, "caps" },
        { "seccomp", IsArm64 ? 277 : 317, NoSuchCall, "seccomp" },
    };

    [EndToEndTheory(SlirpnetOnly = true, Tools = "python3")]
    [MemberData(nameof(Refusals))]
    public Task A_wall_that_the_kernel_refuses_is_told_and_missing(string wall, int call, int errno, string inStatus) =>
        StandsAsync(["python3", "-c", WithoutCall, $"{call}", $"{errno}"], [wall], [inStatus]);

    /// <summary>Its other threads take no signal, so they cannot be told to give anything up; the filter binds them all the same.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Walls_that_not_every_thread_stands_behind_are_told_and_missing() =>
        StandsAsync(["env", "--block-signal=RTMAX"], ["no_new_privs", "capabilities", "landlock"], ["nnp", "caps", "landlock"]);

    private static Task StandsAsync(string[] prefix, string[] missing, string[] inStatus)
    {
        string standing = ConfinementTests.Quoted([.. Machine.Walls.Except(inStatus)]);
        if (!Machine.HasLandlock) missing = [.. missing.Union(["landlock"])];
        return GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Api = true, Capture = false, Prefix = prefix }, async network =>
        {
            foreach (string wall in missing) await network.Slirp.StderrLineAsync($"WARNING: {wall}: ");
            Assert.Equal(missing.Length, network.Slirp.StderrSoFar.Split("going on without this wall").Length - 1);
            string answer = await network.Api.AskAsync("""{"execute":"status"}""");
            Assert.Contains($"\"confinement\":[{standing}]", answer, StringComparison.Ordinal);
            await using EchoFlow flow = await EchoFlow.OpenAsync(network);
            await flow.BeatAsync();
        });
    }
}
