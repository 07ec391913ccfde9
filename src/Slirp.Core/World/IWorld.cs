namespace Slirp.Core.World;

/// <summary>Everything outside Core: the guest's wire and the host's sockets.</summary>
/// <remarks>Engines are <c>Xxx&lt;TWorld&gt; where TWorld : struct, IWorld</c>: the product pays no indirect call, a test
/// passes a scripted one.</remarks>
public interface IWorld : IHostSockets, IGuestLink;
