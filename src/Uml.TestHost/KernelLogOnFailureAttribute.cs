using System.Reflection;
using Xunit.v3;

namespace Uml.CI.TestHost;

/// <summary>
/// On a method, class or assembly: a test that fails gets the kernel log, the commands and the state of every
/// <see cref="GuestFixture"/> it used attached, and every test gets as warnings what the kernels complained
/// about during it. A <see cref="GuestTest"/> does this by itself.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly | AttributeTargets.Class | AttributeTargets.Method)]
public sealed class KernelLogOnFailureAttribute : BeforeAfterTestAttribute
{
    /// <inheritdoc/>
    public override void After(MethodInfo methodUnderTest, IXunitTest test) => GuestReport.WriteUses();
}
