using Uml.CI.TestHost;
using Xunit;

[assembly: TestFramework(typeof(GuestTestFramework))]
