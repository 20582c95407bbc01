import { Link } from 'wouter';
import icon from './icon.svg';

/** The name of the page, as a link to its first view. */
export function Brand() {
  return (
    <Link href="/" className="brand">
      <img src={icon} alt="" width="28" height="28" />
      <span>Voucher gateway</span>
    </Link>
  );
}
