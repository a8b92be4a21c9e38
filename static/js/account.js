// The page of one's own account.

import "./sign_out.js"
import "./times.js"
