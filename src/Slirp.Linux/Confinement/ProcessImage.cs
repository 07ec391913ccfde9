using System.Runtime.InteropServices;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Native;

namespace Slirp.Linux.Confinement;

/// <summary>Replaces this process's program (execve(2)), keeping its number, its descriptors that are not close-on-exec,
/// and what the calling thread has given up; see ThreadPrivileges.</summary>
public static unsafe class ProcessImage
{
    /// <summary>The running program's own file, whatever it was started by.</summary>
    public const string Self = "/proc/self/exe";

    /// <summary>Returns only if it fails.</summary>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Its arguments, the first being what it is called by.</param>
    /// <param name="environment">Changes to this process's own environment, which is passed on octet for octet.</param>
    public static SysResult Replace(string path, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var strings = new List<byte[]>();
        foreach (string argument in arguments) strings.Add(CString.Encode(argument));
        List<byte[]> variables = CommandLookup.Environment(File.ReadAllBytes("/proc/self/environ"), environment);
        using var memory = new PinnedStrings();
        void* argv = memory.Array(strings), envp = memory.Array(variables);
        fixed (byte* p = CString.Encode(path)) // pinned for the call
            return Libc.Call(Syscalls.execve, (nint)p, (nint)argv, (nint)envp);
    }

    /// <summary>Makes a descriptor pass through <see cref="Replace"/>.</summary>
    public static SysResult Keep<T>(T descriptor) where T : struct, IDescriptor =>
        Libc.Result(Libc.fcntl(descriptor.Value, Fcntl.F_SETFD, 0));

    /// <summary>Null-terminated arrays of strings outside the collector's memory.</summary>
    private sealed class PinnedStrings : IDisposable
    {
        private readonly List<nint> _memory = [];

        internal void* Array(List<byte[]> strings)
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
