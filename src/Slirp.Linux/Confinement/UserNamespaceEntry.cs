using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Slirp.Linux.Abi;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Native;

namespace Slirp.Linux.Confinement;

/// <summary>Moves this process into a user namespace, and begins it anew there.</summary>
/// <remarks>
/// <para><b>Model.</b> setns(2) takes a process with a single thread only into a user namespace, and .NET has several before
/// Main. So the process becomes another program first (execve(2) ends the other threads and keeps the process number): a few
/// instructions in a file that exists in memory alone. They enter the namespace, become its root, and execute this
/// program again with the same arguments.</para>
/// <para><b>Invariants.</b> Descriptors that were inherited pass through; what this program opened does not. The signal that
/// the kernel sends at the parent's death, which entering clears, is set again. There is no way back from a namespace
/// that has no user 0, in which execve(2) would take every capability away; so a clone tries first. Should the entry be
/// refused all the same, the program begins anew where it was. <see cref="Marker"/> in its environment says that it tried.</para>
/// <para><b>Limits.</b> x86-64; a kernel that executes memory files (vm.memfd_noexec below 2).</para>
/// </remarks>
public static unsafe class UserNamespaceEntry
{
    /// <summary>Set in the environment of the program that begins anew.</summary>
    private const string Marker = "SLIRPNET_USERNS_TRIED";

    private const int CLONE_NEWUSER = 0x10000000, AT_EMPTY_PATH = 0x1000, MFD_CLOEXEC = 1;
    private const int PR_SET_PDEATHSIG = 1, PR_GET_PDEATHSIG = 2;
    private const int CannotExecute = 126;

    /// <summary>Whether this program has begun anew.</summary>
    public static bool WasTried => Environment.GetEnvironmentVariable(Marker) is not null;

    public static bool IsSupported => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>Returns only if it fails: then nothing has changed.</summary>
    /// <param name="path">The user namespace, as in /proc/PID/ns/user.</param>
    public static SysResult BeginAnew(string path)
    {
        if (!IsSupported) return SysResult.Failure(Errno.EOPNOTSUPP);
        string? self = File.ResolveLinkTarget("/proc/self/exe", returnFinalTarget: true)?.FullName;
        if (!File.Exists(self)) return SysResult.Failure(Errno.ENOENT); // it has been removed since it was started
        SysResult opened = Descriptor.OpenFile(path, OpenFlags.O_RDONLY);
        if (!opened.IsOk) return opened;
        using OwnedFd target = OwnedFd.FromKernel(opened.Raw);
        SysResult tried = Try(target.Value, path);
        if (!tried.IsOk) return tried;
        SysResult kept = Libc.Result(Libc.fcntl(target.Value, Fcntl.F_SETFD, 0));
        if (!kept.IsOk) return kept;
        int deathSignal = 0;
        _ = Libc.Call(Syscalls.prctl, PR_GET_PDEATHSIG, (nint)(&deathSignal));
        return Execute(Program(target.Value, deathSignal, self));
    }

    /// <returns>What a clone has met that went in and became root there.</returns>
    private static SysResult Try(int target, string path)
    {
        using var program = new ChildProgram();
        using var channel = new ChildChannel();
        int step = program.Step("setns(CLONE_NEWUSER)", path);
        ChildProcess.AddBeginning(program, channel);
        _ = program.Add(step, Syscalls.setns, target, CLONE_NEWUSER);
        program.IgnoreError(program.Add(step, Syscalls.setresgid, 0, 0, 0));
        _ = program.Add(step, Syscalls.setresuid, 0, 0, 0);
        _ = channel.AddSend(program, step, ChildMessage.Ready);
        program.End(channel);
        try
        {
            using ChildProcess child = ChildProcess.Start(program, channel);
            if (channel.Receive(-1, out ChildMessage said, out _) == ChildChannel.Outcome.Message && said == ChildMessage.Ready)
                return new SysResult(0);
        }
        catch (LinuxException e)
        {
            return SysResult.Failure(e.Errno);
        }
        return SysResult.Failure(program.Report.FailedErrno is var errno and not 0 ? (Errno)errno : Errno.ECHILD);
    }

    private static SysResult Execute(byte[] program)
    {
        fixed (byte* octets = program, name = "slirpnet\0"u8, empty = "\0"u8) // pinned for the calls
        {
            SysResult created = Libc.Call(Syscalls.memfd_create, (nint)name, MFD_CLOEXEC);
            if (!created.IsOk) return created;
            using OwnedFd file = OwnedFd.FromKernel(created.Raw);
            SysResult written = Descriptor.Write(file.AsRaw, program);
            if (written.Raw != program.Length) return SysResult.Failure(Errno.EIO);
            using var memory = new StringArrays();
            void* arguments = memory.Add(CString.Split(File.ReadAllBytes("/proc/self/cmdline")));
            void* environment = memory.Add(CommandLookup.Environment(
                File.ReadAllBytes("/proc/self/environ"), new Dictionary<string, string> { [Marker] = "1" }));
            return Libc.Call(Syscalls.execveat, file.Value, (nint)empty, (nint)arguments, (nint)environment, AT_EMPTY_PATH);
        }
    }

    /// <summary>An ELF file of one segment: header, instructions, the path of what they execute.</summary>
    private static byte[] Program(int target, int deathSignal, string self)
    {
        // The path comes last, and the instructions hold its address: their length does not depend on it.
        byte[] code = Instructions(target, deathSignal, path: 0);
        code = Instructions(target, deathSignal, path: (nint)(Elf.Base + Elf.HeaderLength + (ulong)code.Length));
        return [.. Elf.Header((ulong)code.Length + (ulong)Encoding.UTF8.GetByteCount(self) + 1), .. code, .. CString.Encode(self)];
    }

    private static byte[] Instructions(int target, int deathSignal, nint path)
    {
        var code = new MachineCode();
        code.Call(Syscalls.setns, target, CLONE_NEWUSER);
        code.Call(Syscalls.close, target);
        code.Call(Syscalls.setresgid);
        code.Call(Syscalls.setresuid);
        if (deathSignal != 0) code.Call(Syscalls.prctl, PR_SET_PDEATHSIG, deathSignal);
        code.Load(Register.Rdi, path);
        code.Add(0x48, 0x8d, 0x74, 0x24, 0x08); // lea rsi, [rsp+8]: the arguments, as the kernel laid them out
        code.Add(0x48, 0x8b, 0x14, 0x24); // mov rdx, [rsp]: how many
        code.Add(0x48, 0x8d, 0x54, 0xd4, 0x10); // lea rdx, [rsp+rdx*8+16]: the environment behind them
        code.CallWithLoaded(Syscalls.execve);
        code.Call(Syscalls.exit_group, CannotExecute);
        return code.ToArray();
    }

    /// <summary>Executable and linkable format, the little that the kernel reads (elf(5)).</summary>
    private static class Elf
    {
        internal const ulong Base = 0x400000;
        internal const int HeaderLength = FileHeaderLength + SegmentHeaderLength;
        private const int FileHeaderLength = 64, SegmentHeaderLength = 56;
        private const ushort ET_EXEC = 2, EM_X86_64 = 62;
        private const uint PT_LOAD = 1, ReadAndExecute = 5;

        /// <param name="length">Octets behind the headers.</param>
        internal static byte[] Header(ulong length)
        {
            byte[] header = new byte[HeaderLength];
            ReadOnlySpan<byte> magic = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2 /* 64 bits */, 1 /* little endian */, 1 /* version */];
            magic.CopyTo(header);
            Put16(header, 16, ET_EXEC);
            Put16(header, 18, EM_X86_64);
            Put32(header, 20, 1); // version
            Put64(header, 24, Base + HeaderLength); // entry
            Put64(header, 32, FileHeaderLength); // where segment headers are
            Put16(header, 52, FileHeaderLength);
            Put16(header, 54, SegmentHeaderLength);
            Put16(header, 56, 1); // segments

            const int segment = FileHeaderLength;
            Put32(header, segment, PT_LOAD);
            Put32(header, segment + 4, ReadAndExecute);
            Put64(header, segment + 16, Base);
            Put64(header, segment + 24, Base);
            Put64(header, segment + 32, HeaderLength + length); // in the file
            Put64(header, segment + 40, HeaderLength + length); // in memory
            Put64(header, segment + 48, 0x1000); // alignment
            return header;
        }

        private static void Put16(Span<byte> octets, int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(octets[offset..], value);

        private static void Put32(Span<byte> octets, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(octets[offset..], value);

        private static void Put64(Span<byte> octets, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(octets[offset..], value);
    }

    /// <summary>Null-terminated arrays of strings outside the collector's memory.</summary>
    private sealed class StringArrays : IDisposable
    {
        private readonly List<nint> _memory = [];

        /// <param name="strings">Each with its closing zero.</param>
        internal void* Add(List<byte[]> strings)
        {
            var array = (nint*)Take((nuint)(strings.Count + 1) * (nuint)sizeof(nint));
            for (int i = 0; i < strings.Count; i++)
            {
                void* copy = Take((nuint)strings[i].Length);
                strings[i].CopyTo(new Span<byte>(copy, strings[i].Length));
                array[i] = (nint)copy;
            }
            return array;
        }

        public void Dispose()
        {
            foreach (nint one in _memory) NativeMemory.Free((void*)one);
        }

        private void* Take(nuint length)
        {
            void* memory = NativeMemory.AllocZeroed(length);
            _memory.Add((nint)memory);
            return memory;
        }
    }
}
